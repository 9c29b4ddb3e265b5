//! A table whose rows have short, stable keys: insert and remove take the same time however many rows there are.
//!
//! Must not know: what a row is.

/// Names a row. A key of a removed row names nothing, also when its place is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    rows: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    generation: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), free: Vec::new(), generation: 0 }
    }
}

impl<T> Slots<T> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Adds a row. `None` beyond four billion of them.
    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        self.generation = self.generation.wrapping_add(1);
        let row = (self.generation, Some(value));
        let vacant = self.free.pop();
        let index = match vacant.and_then(|index| self.rows.get_mut(index as usize).map(|place| (index, place))) {
            Some((index, place)) => {
                *place = row;
                index
            }
            None => {
                let index = u32::try_from(self.rows.len()).ok()?;
                self.rows.push(row);
                index
            }
        };
        Some(Key { index, generation: self.generation })
    }

    /// The row of `key`.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.rows.get(key.index as usize) {
            Some((generation, Some(value))) if *generation == key.generation => Some(value),
            Some(_) | None => None,
        }
    }

    /// The row of `key`, to change it.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.rows.get_mut(key.index as usize) {
            Some((generation, Some(value))) if *generation == key.generation => Some(value),
            Some(_) | None => None,
        }
    }

    /// Takes a row out. An empty table gives its memory back.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, value) = self.rows.get_mut(key.index as usize)?;
        if *generation != key.generation {
            return None;
        }
        let value = value.take()?;
        self.free.push(key.index);
        if self.free.len() == self.rows.len() {
            (self.rows, self.free) = (Vec::new(), Vec::new());
        }
        Some(value)
    }

    /// All rows.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// The keys of all rows.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let taken = (0..).zip(&self.rows).filter(|(_, (_, value))| value.is_some());
        taken.map(|(index, (generation, _))| Key { index, generation: *generation }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_does_not_open_a_new_row() {
        let mut slots = Slots::default();
        let first = slots.insert("a").unwrap();
        let second = slots.insert("b").unwrap();
        assert_eq!(slots.remove(first), Some("a"));
        let third = slots.insert("c").unwrap();
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!((slots.get(second), slots.get(third), slots.len()), (Some(&"b"), Some(&"c"), 2));
        assert_eq!(slots.keys(), [third, second]);
        assert_eq!(slots.values().collect::<Vec<_>>(), [&"c", &"b"]);
    }

    #[test]
    fn nor_after_the_table_was_empty() {
        let mut slots = Slots::default();
        let first = slots.insert("a").unwrap();
        slots.remove(first);
        assert_eq!(slots.len(), 0);
        let second = slots.insert("b").unwrap();
        assert_eq!((slots.get(first), slots.get(second)), (None, Some(&"b")));
    }
}
