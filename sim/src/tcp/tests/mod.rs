//! Dialogues between two control blocks.
