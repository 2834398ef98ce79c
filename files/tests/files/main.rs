//! Files on their way, over HTTP as a browser sends them, against both backends: a local folder behind a small server that
//! does what our API does, and a bucket of a real S3 server that checks signatures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bucket;
mod content;
mod documents;
mod folder;
mod links;
mod peer;
mod refusals;
mod travel;

/// Runs each test against both backends.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_a_folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::peer::Peer::folder().await).await;
            })+
        }
        mod on_a_bucket {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::peer::Peer::bucket().await).await;
            })+
        }
    };
}
pub(crate) use on_both;
