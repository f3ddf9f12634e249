//! Recurrent architectures written as equations, compiled to native code.
