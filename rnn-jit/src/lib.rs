//! Native code.

pub mod kernels;
