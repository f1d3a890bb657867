//! Queue deadlines of what waits to be let in, or is read slowly: each item has all of its time, and no more than that.

use std::time::Duration;

use procession::Pool;
use procession_integration_tests::pool_scene::{assert_usable, finish, scene};

procession::init_before_main!();

const WAIT: Duration = Duration::from_millis(100);

/// CT09: the time of an item is its own, however slowly the input of its map comes.
#[test]
fn slow_input_loses_no_item_to_the_deadline_of_its_map() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        assert_usable(&pool);
        let items = || {
            let pause = |n: &u64| std::thread::sleep(2 * WAIT * u32::from(n.is_multiple_of(25)));
            (0..200u64).inspect(pause)
        };
        let call = pool.call(|n: u64| n).queue_deadline(WAIT * 10);
        let expected: Vec<u64> = (0..200).collect();
        assert_eq!(call.map(items()).unwrap(), expected);
        assert_eq!(call.map_async(items()).get().unwrap(), expected);
        let each: Result<Vec<u64>, _> = call.try_map(items()).into_iter().collect();
        assert_eq!(each.unwrap(), expected);
        finish(pool);
    });
}
