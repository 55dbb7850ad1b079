//! A value that many hold and few change: what they share is copied when one of them changes its own. A leaf: it knows nobody.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A holder's view of such a value. To change it through this view is to have it alone from there on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    #[inline]
    fn clone(&self) -> Shared<T> {
        Shared(Arc::clone(&self.0))
    }

    /// Costs nothing where it is the same value.
    #[inline]
    fn clone_from(&mut self, source: &Shared<T>) {
        if !Arc::ptr_eq(&self.0, &source.0) {
            self.become_like(source);
        }
    }
}

impl<T> Shared<T> {
    #[cold]
    fn become_like(&mut self, source: &Shared<T>) {
        self.0 = Arc::clone(&source.0);
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    /// For a change: whoever only looks has no need of this, and would not want the copy.
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_changes_it_changes_only_its_own() {
        let first: Shared<[u8; 2]> = Shared::default();
        let mut second = first.clone();
        assert!(Arc::ptr_eq(&first.0, &second.0), "one value for both");
        second[0] = 7;
        assert_eq!((*first, *second), ([0, 0], [7, 0]));
    }
}
