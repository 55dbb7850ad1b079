//! Names that do not resolve, and hosts whose addresses change.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Errno, SocketApi, Spawn};
use twinsock_sim::{Host, Misfortunes, NameFault, Net, Sim};

const SECOND: Duration = Duration::from_secs(1);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What a host is told when it asks for a name, and after how many seconds.
fn ask(sim: &Sim, host: &Host, name: &'static str) -> (Result<Vec<IpAddr>, String>, u64) {
    let asking = host.spawn("asker", move |net| {
        let start = net.now();
        let answer = net.getaddrinfo(name, 80).map(|addrs| addrs.iter().map(|addr| addr.ip()).collect());
        (answer.map_err(|error| error.to_string()), (net.now() - start).as_secs())
    });
    sim.run_to_end().unwrap();
    asking.take().unwrap()
}

#[test]
fn a_name_fails_slows_lies_and_is_right_again() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let right = (Ok(server.addrs()), 0);
        assert_eq!(ask(sim, &client, "server"), right);
        for (fault, words) in
            [(NameFault::Again, "Temporary failure in name resolution"), (NameFault::NoName, "Name or service not known")]
        {
            sim.fail_name("server", fault);
            let (told, _) = ask(sim, &client, "server");
            assert_eq!(told, Err(format!("failed to lookup address information: {words} (server)")));
        }
        sim.fail_name("server", NameFault::Slow(7 * SECOND));
        assert_eq!(ask(sim, &client, "server"), (Ok(server.addrs()), 7));
        sim.fail_name("server", NameFault::Stale(vec![ip("192.0.2.7")]));
        assert_eq!(ask(sim, &client, "server"), (Ok(vec![ip("192.0.2.7")]), 0));
        sim.heal_name("server");
        assert_eq!(ask(sim, &client, "server"), right);
    });
    report.unwrap();
}

#[test]
fn literal_addresses_and_localhost_need_no_names() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        sim.fail_name("localhost", NameFault::NoName);
        sim.fail_name("127.0.0.1", NameFault::NoName);
        assert_eq!(ask(sim, &host, "127.0.0.1").0, Ok(vec![ip("127.0.0.1")]));
        assert_eq!(ask(sim, &host, "localhost").0, Ok(vec![ip("127.0.0.1"), ip("::1")]));
    });
    report.unwrap();
}

#[test]
fn a_program_may_make_names_wrong() {
    let report = Sim::builder().run(|sim| {
        let (host, network) = (sim.host("a"), sim.network());
        host.spawn("p", move |net| {
            network.fail_name("a", NameFault::NoName);
            assert!(net.getaddrinfo("a", 1).is_err());
            network.heal_name("a");
            assert!(net.getaddrinfo("a", 1).is_ok());
        });
    });
    report.unwrap();
}

/// Sends back what comes.
fn serve(net: Net) {
    let listener = TcpListener::bind(&net, "[::]:80").unwrap();
    loop {
        let (stream, _) = listener.accept().unwrap();
        drop(net.spawn(move || io::copy(&mut &stream, &mut &stream)));
    }
}

fn echoes(stream: &mut TcpStream<Net>) -> io::Result<()> {
    stream.write_all(b"echo")?;
    stream.read_exact(&mut [0; 4])
}

#[test]
fn a_connection_on_an_address_that_is_gone_times_out_and_new_ones_find_the_new_address() {
    for (old, new) in [("10.0.0.1", "10.9.9.9"), ("fd00::1", "fd00::99")] {
        let report = Sim::builder().run(|sim| {
            let (server, client) = (sim.host("server"), sim.host("client"));
            client.sysctl("net.ipv4.tcp_retries2", 3);
            server.sysctl("net.ipv4.tcp_retries2", 3);
            server.spawn_daemon("server", serve);
            let renumbered = server.clone();
            sim.run_for(SECOND / 10);
            client.spawn("client", move |net| {
                let mut stream = TcpStream::connect(&net, std::net::SocketAddr::new(ip(old), 80)).unwrap();
                echoes(&mut stream).unwrap();
                renumbered.set_addrs(&[ip(new)]);
                // Nobody on the segment has the address now, which the last error tells, if one has been heard of.
                let told = echoes(&mut stream).unwrap_err().raw_os_error();
                assert!([Errno::TIMEDOUT, Errno::HOSTUNREACH].map(|errno| Some(errno.raw())).contains(&told), "{told:?}");
                assert_eq!(net.getaddrinfo("server", 80).unwrap()[0].ip(), ip(new));
                echoes(&mut TcpStream::connect(&net, "server:80").unwrap()).unwrap();
            });
        });
        report.unwrap();
    }
}

#[test]
fn a_connection_goes_on_when_its_address_comes_back() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        server.spawn_daemon("server", serve);
        sim.run_for(SECOND);
        for flapping in [server.clone(), client.clone()] {
            let (flaps, old) = (flapping.clone(), flapping.ipv4());
            sim.host(&format!("operator of {}", flapping.name())).spawn("operator", move |net| {
                net.sleep(SECOND);
                flaps.remove_addr(old);
                net.sleep(5 * SECOND);
                flaps.add_addr(old);
            });
        }
        client.spawn("client", |net| {
            let mut stream = TcpStream::connect(&net, "10.0.0.1:80").unwrap();
            echoes(&mut stream).unwrap();
            net.sleep(2 * SECOND);
            echoes(&mut stream).unwrap();
            assert!(net.now().as_nanos() > 6_000_000_000);
        });
    });
    report.unwrap();
}

#[test]
fn a_connection_without_a_route_gives_up_as_on_linux() {
    // Measured between two network namespaces on Linux 6.18, with tcp_retries2 = 3: the probes are due after 0.2, 0.6, 1.4 and 3.1 seconds.
    for (own, server, told) in [("10.0.0.2", "10.0.0.1:80", Errno::TIMEDOUT), ("fd00::2", "[fd00::1]:80", Errno::NETUNREACH)] {
        let report = Sim::builder().run(move |sim| {
            let hosts = (sim.host("server"), sim.host("client"));
            hosts.0.set_addrs(&[ip("10.0.0.1"), ip("fd00::1")]);
            hosts.1.set_addrs(&[ip("10.0.0.2"), ip("fd00::2")]);
            hosts.1.sysctl("net.ipv4.tcp_retries2", 3);
            hosts.0.spawn_daemon("server", |net| {
                let listener = TcpListener::bind(&net, "[::]:80").unwrap();
                let _stream = listener.accept().unwrap();
                net.sleep(60 * SECOND);
            });
            sim.run_for(SECOND);
            let client = hosts.1.clone();
            hosts.1.spawn("client", move |net| {
                let mut stream = TcpStream::connect(&net, server).unwrap();
                client.remove_addr(ip(own));
                let begin = net.now();
                stream.write_all(b"x").unwrap();
                let error = stream.read(&mut [0]).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(told.raw()));
                let took = net.now().since(begin);
                assert!((Duration::from_millis(2950)..Duration::from_millis(3300)).contains(&took), "{took:?}");
                assert_eq!(TcpStream::connect(&net, server).unwrap_err().raw_os_error(), Some(Errno::NETUNREACH.raw()));
            });
        });
        report.unwrap();
    }
}

#[test]
#[should_panic(expected = "two hosts cannot own 10.0.0.1")]
fn an_address_is_one_hosts() {
    let report = Sim::builder().run_here(|sim| {
        sim.host("a");
        sim.host("b").add_addr(ip("10.0.0.1"));
    });
    report.unwrap();
}

#[test]
fn an_address_that_is_gone_cannot_be_bound_and_is_not_sent_from() {
    let report = Sim::builder().keep_events(1000).run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        server.spawn_daemon("server", serve);
        sim.run_for(SECOND);
        let own = client.clone();
        client.spawn("client", move |net| {
            let mut stream = TcpStream::connect(&net, "10.0.0.1:80").unwrap();
            let old = own.ipv4();
            own.set_addrs(&[ip("10.5.5.5")]);
            let refused = TcpListener::bind(&net, std::net::SocketAddr::new(old, 81)).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(Errno::ADDRNOTAVAIL.raw()));
            stream.write_all(b"into the void").unwrap();
            net.sleep(SECOND);
            own.add_addr(old);
            stream.write_all(b"!").unwrap();
            stream.read_exact(&mut [0; 14]).unwrap();
        });
        sim.run_for(10 * SECOND);
        client.restart();
        assert_eq!(client.addrs().len(), 2, "a host keeps its addresses when it boots");
    });
    let events = report.unwrap().events;
    assert!(events.contains("dropped (its source is no longer an address here)"), "{events}");
}

#[test]
fn the_swarm_makes_names_wrong_and_right_again() {
    let run = |seed| {
        let report = Sim::builder().seed(seed).keep_story(true).run(|sim| {
            let (_server, client) = (sim.host("server"), sim.host("client"));
            let asking = client.spawn("client", |net| {
                let mut wrong = 0;
                for _ in 0..300 {
                    let right = net.getaddrinfo("server", 1).is_ok_and(|addrs| addrs[0].ip() == ip("10.0.0.1"));
                    wrong += u32::from(!right);
                    net.sleep(SECOND / 10);
                }
                assert!(net.getaddrinfo("server", 1).is_ok(), "everything is mended in the end");
                wrong
            });
            sim.misfortunes(&Misfortunes::none().names(true).until(20 * SECOND));
            sim.run_to_end().unwrap();
            asking.take().unwrap()
        });
        report.unwrap()
    };
    let reports: Vec<_> = (0..20).map(run).collect();
    assert!(reports.iter().any(|report| report.value > 0));
    assert!(reports.iter().zip(0..).all(|(report, seed)| report.digest == run(seed).digest));
    let told = |words: &str| reports.iter().any(|report| report.story.iter().any(|told| told.to_string().contains(words)));
    assert!(told("the name server: EAI_AGAIN") && told("no longer: the name server: EAI_NONAME"));
}
