// SPDX-License-Identifier: Apache-2.0
//! A tree is looked at directory by directory; a large one on all processors.

mod directories;

pub(crate) use directories::{EntryOf, Listing, Look, list};

use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::{Builder, available_parallelism, scope};

/// For so many pieces of work, known or done, a thread is worth while. Less is done before another one has begun.
const MANY: usize = 48;

/// What was found in a piece of work, and in the pieces that came of it, in the order in which they came.
#[derive(Debug)]
struct Tree<R> {
    found: R,
    inner: Vec<Self>,
}

/// Does a piece of work and all that come of it: `visit` adds those to the list that it is given.
///
/// The last piece that came is done first, so that what waits belongs to few directories at a time.
///
/// # Errors
///
/// The first in the order of the tree, whoever met one first.
fn explore<T: Send, R: Send, E: Send>(
    first: T,
    visit: impl Fn(T, &mut Vec<T>) -> Result<R, E> + Sync,
) -> Result<Tree<R>, E> {
    let work = Work::of(first);
    scope(|scope| {
        let mut threads = 1;
        work.go_on(&visit, |known| {
            if known >= MANY * threads && threads < available_parallelism().map_or(1, NonZero::get) {
                threads += 1;
                // Where there is no thread to be had, those that are there do it.
                drop(Builder::new().name("tree".to_owned()).spawn_scoped(scope, || work.go_on(&visit, |_| ())));
            }
        });
    });
    let mut results = work.plan.into_inner().expect("no visit panics").results;
    take(&mut results, 0)
}

/// Takes a tree out of the list of results.
fn take<R, E>(results: &mut [Done<R, E>], number: usize) -> Result<Tree<R>, E> {
    let (found, inner) = results[number].take().expect("all work is done");
    let found = found?;
    let inner = inner.map(|number| take(results, number)).collect::<Result<_, _>>()?;
    Ok(Tree { found, inner })
}

/// What became of a piece of work, with the numbers of those that came of it.
type Done<R, E> = Option<(Result<R, E>, std::ops::Range<usize>)>;

struct Work<T, R, E> {
    plan: Mutex<Plan<T, R, E>>,
    /// Something waits, or nothing will any more.
    news: Condvar,
}

struct Plan<T, R, E> {
    waiting: Vec<(usize, T)>,
    /// Pieces that are being done, and threads that wait for some.
    busy: usize,
    idle: usize,
    results: Vec<Done<R, E>>,
}

impl<T, R, E> Work<T, R, E> {
    fn of(first: T) -> Self {
        let plan = Plan { waiting: vec![(0, first)], busy: 0, idle: 0, results: vec![None] };
        Self { plan: Mutex::new(plan), news: Condvar::new() }
    }

    fn plan(&self) -> MutexGuard<'_, Plan<T, R, E>> {
        self.plan.lock().expect("no visit panics")
    }

    /// Does what waits until nothing is left. Says after each piece how many are known.
    fn go_on(&self, visit: impl Fn(T, &mut Vec<T>) -> Result<R, E>, mut say: impl FnMut(usize)) {
        while let Some((number, piece)) = self.next() {
            let turn = Turn(self);
            let mut inner = Vec::new();
            let found = visit(piece, &mut inner);
            let known = self.note(number, found, inner);
            drop(turn);
            say(known);
        }
    }

    fn next(&self) -> Option<(usize, T)> {
        let mut plan = self.plan();
        loop {
            if let Some(next) = plan.waiting.pop() {
                plan.busy += 1;
                return Some(next);
            }
            if plan.busy == 0 {
                return None;
            }
            plan.idle += 1;
            plan = self.news.wait(plan).expect("no visit panics");
            plan.idle -= 1;
        }
    }

    /// Notes what became of a piece. Returns how many are known.
    fn note(&self, number: usize, found: Result<R, E>, inner: Vec<T>) -> usize {
        let mut plan = self.plan();
        let first = plan.results.len();
        let numbers = first..first + inner.len();
        let known = numbers.end;
        plan.results.resize_with(known, || None);
        plan.waiting.extend(numbers.clone().zip(inner).rev());
        plan.results[number] = Some((found, numbers));
        known
    }
}

/// A piece that is being done, until it is not, whatever the reason: others wait for it.
struct Turn<'a, T, R, E>(&'a Work<T, R, E>);

impl<T, R, E> Drop for Turn<'_, T, R, E> {
    fn drop(&mut self) {
        let mut plan = self.0.plan();
        plan.busy -= 1;
        if plan.idle > 0 {
            self.0.news.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tree, explore};

    fn flat(tree: Tree<u32>) -> Vec<u32> {
        std::iter::once(tree.found).chain(tree.inner.into_iter().flat_map(flat)).collect()
    }

    #[test]
    fn what_is_found_has_the_order_of_the_tree() {
        // Each number has ten below it, down to four digits.
        let visit = |number: u32, inner: &mut Vec<u32>| {
            inner.extend((0..10).map(|digit| number * 10 + digit).filter(|_| number < 1000));
            Ok::<_, ()>(number)
        };
        let mut expected: Vec<String> = (1..10_000).map(|number| number.to_string()).collect();
        expected.retain(|number| number.starts_with('1'));
        expected.sort();
        let found: Vec<String> = flat(explore(1, visit).unwrap()).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_error_of_the_tree_is_told() {
        let visit = |number: u32, inner: &mut Vec<u32>| {
            inner.extend((1..1000).filter(|_| number == 0));
            if number % 100 == 99 { Err(number) } else { Ok(number) }
        };
        (0..50).for_each(|_| assert_eq!(explore(0, visit).map(flat), Err(99)));
    }

    #[test]
    fn nobody_waits_for_a_piece_that_panics() {
        let visit = |number: u32, inner: &mut Vec<u32>| {
            inner.extend((1..1000).filter(|_| number == 0));
            assert_ne!(number, 500);
            Ok::<_, ()>(number)
        };
        std::panic::catch_unwind(|| explore(0, visit).map(flat)).unwrap_err();
    }
}
