//! Compiled models.
