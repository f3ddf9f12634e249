//! Recurrence equations.
