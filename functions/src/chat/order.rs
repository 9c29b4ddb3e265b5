//! Delivery in the order of storage: what is stored draws a number then and there, on the database's writer; what is
//! delivered waits until every smaller number has been.
//!
//! Answers of the database reach the tasks that wait for them in any order. A number whose holder goes away counts as
//! done, so that nobody waits for what never comes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Takes what is delivered, one thing at a time; must not wait for anything.
type Sink<T> = Box<dyn Fn(T) + Send + Sync>;

/// Puts things in order.
pub(super) struct Order<T> {
    line: Mutex<Line<T>>,
    sink: Sink<T>,
}

struct Line<T> {
    /// The number that is drawn next.
    next: u64,
    /// The number that is delivered next.
    due: u64,
    /// What came before its turn; nothing for those who went.
    early: BTreeMap<u64, Option<T>>,
}

/// A place in the order.
pub(super) struct Place<T: Send + 'static> {
    order: Arc<Order<T>>,
    number: u64,
    taken: bool,
}

impl<T: Send + 'static> Order<T> {
    /// Everything goes to `sink`.
    pub(super) fn new(sink: impl Fn(T) + Send + Sync + 'static) -> Arc<Self> {
        let line = Mutex::new(Line { next: 0, due: 0, early: BTreeMap::new() });
        Arc::new(Self { line, sink: Box::new(sink) })
    }

    /// The next place.
    pub(super) fn place(self: &Arc<Self>) -> Place<T> {
        let mut line = self.lock();
        let number = line.next;
        line.next += 1;
        Place { order: Arc::clone(self), number, taken: false }
    }

    fn settle(&self, number: u64, thing: Option<T>) {
        let mut line = self.lock();
        line.early.insert(number, thing);
        while let Some(thing) = {
            let due = line.due;
            line.early.remove(&due)
        } {
            line.due += 1;
            thing.into_iter().for_each(&self.sink);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Place<T> {
    /// Has `thing` delivered in its turn.
    pub(super) fn deliver(mut self, thing: T) {
        self.taken = true;
        self.order.settle(self.number, Some(thing));
    }
}

impl<T: Send + 'static> Drop for Place<T> {
    fn drop(&mut self) {
        if !self.taken {
            self.order.settle(self.number, None);
        }
    }
}

impl<T> fmt::Debug for Order<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Order")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_in_the_order_of_their_places() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let order = Order::new(move |thing| sink.lock().unwrap().push(thing));
        let heard = move || std::mem::take(&mut *heard.lock().unwrap());
        let [zero, one, two, three] = std::array::from_fn(|_| order.place());
        two.deliver(2);
        assert!(heard().is_empty());
        zero.deliver(0);
        assert_eq!(heard(), [0]);
        drop(one);
        assert_eq!(heard(), [2]);
        three.deliver(3);
        order.place().deliver(4);
        assert_eq!(heard(), [3, 4]);
        assert!(order.lock().early.is_empty());
    }
}
