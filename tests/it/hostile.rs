//! Callers that mean harm.
