//! A body that keeps something until all of it was sent, or its client has gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

pub(crate) struct KeptBody<K> {
    body: BoxBody,
    kept: K,
}

/// A body that is all there already keeps nothing.
pub(crate) fn keep<K: Unpin + 'static>(body: BoxBody, kept: K) -> BoxBody {
    BoxBody::new(KeptBody { body, kept })
}

impl<K: Unpin> MessageBody for KeptBody<K> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, kept } = self;
        body.try_into_bytes().map_err(|body| Self { body, kept })
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use actix_web::body::BodyStream;
    use futures::stream;

    use super::*;

    #[actix_web::test]
    async fn what_is_kept_goes_with_the_body() {
        let kept = Rc::new(());
        let whole = keep(BoxBody::new("all there"), Rc::clone(&kept));
        assert_eq!((Rc::strong_count(&kept), whole.size()), (1, BodySize::Sized(9)));
        let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"piece"))]);
        let streamed = keep(BoxBody::new(BodyStream::new(pieces)), Rc::clone(&kept));
        assert_eq!(Rc::strong_count(&kept), 2);
        assert_eq!(actix_web::body::to_bytes(streamed).await.unwrap(), "piece");
        assert_eq!(Rc::strong_count(&kept), 1);
    }
}
