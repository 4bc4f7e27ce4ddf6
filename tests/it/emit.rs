//! Consumer configuration.
