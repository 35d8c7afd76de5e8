//! The importer as a host sees it: uploads go in, reports and rows come out.

mod endings;
mod harness;
mod outcomes;
mod real_scans;
mod resolving;
mod samples;
mod sums;
