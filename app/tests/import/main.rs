//! The importer as a host sees it: uploads go in, reports and rows come out.

mod cases;
mod endings;
mod files;
mod harness;
mod identity;
mod listed;
mod migrating;
mod options;
mod outcomes;
mod real_scans;
mod resolving;
mod samples;
mod scanners;
mod sums;
mod undoing;
