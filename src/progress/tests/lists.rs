//! Lists: pages, cursors, and what they cost.

use serde_json::json;

use super::*;

fn limited(limit: usize) -> ListQuery {
    ListQuery {
        limit,
        ..ListQuery::default()
    }
}

/// Reads on from page to page, and gives the ids of all pages; `between` happens after each page.
fn read_all(world: &mut World, limit: usize, mut between: impl FnMut(&mut World)) -> Vec<String> {
    let mut query = limited(limit);
    let mut all = Vec::new();
    loop {
        let page = world.page(&query);
        let found = ids(&page);
        assert!(found.len() <= limit);
        assert!(!found.is_empty() || all.is_empty(), "no page is empty");
        all.extend(found);
        query.cursor = page.next;
        if page.next.is_none() {
            return all;
        }
        between(world);
    }
}

fn newest_first(ids: &[Uuid]) -> Vec<String> {
    ids.iter().rev().map(Uuid::to_string).collect()
}

#[test]
fn pages_hold_every_session_once_the_newest_first() {
    let mut world = World::new();
    let made: Vec<Uuid> = (0..7).map(|_| world.create(json!({}))).collect();
    for limit in 1..=8 {
        let read = read_all(&mut world, limit, |_| {});
        assert_eq!(read, newest_first(&made), "{limit}");
    }
    assert_eq!(world.page(&limited(7)).next, None, "nothing is behind it");
    assert!(world.page(&limited(6)).next.is_some());
    let empty = World::new();
    assert_eq!(empty.page(&limited(1)), SessionPage::empty());
}

#[test]
fn a_hundred_sessions_are_on_a_page_unless_another_number_is_asked_for() {
    let mut world = World::new();
    for _ in 0..101 {
        world.create(json!({}));
    }
    let page = world.page(&ListQuery::default());
    assert_eq!(sessions(&page).len(), 100);
    assert!(page.next.is_some());
}

#[test]
fn sessions_that_come_and_go_move_nobody_else() {
    let mut world = World::new();
    let made: Vec<Uuid> = (0..20).map(|_| world.create(json!({}))).collect();
    let (going, staying): (Vec<Uuid>, Vec<Uuid>) =
        made.iter().copied().partition(|id| id.as_u128() % 3 == 0);
    let mut rest = going.clone();
    let read = read_all(&mut world, 3, |world| {
        world.create(json!({}));
        for id in [rest.pop(), rest.pop()].into_iter().flatten() {
            world.complete(id, json!({})).unwrap();
            world.tracker.cleanup(&mut world.wheel, id).unwrap();
        }
    });
    let of_staying: Vec<String> = read
        .iter()
        .filter(|id| staying.iter().any(|staying| staying.to_string() == **id))
        .cloned()
        .collect();
    assert_eq!(of_staying, newest_first(&staying));
    let mut once = read.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), read.len());
}

#[test]
fn pages_of_one_status_end_where_nothing_of_it_is_left() {
    let mut world = World::new();
    let made: Vec<Uuid> = (0..9).map(|_| world.create(json!({}))).collect();
    for id in &made[3..6] {
        world.complete(*id, json!({})).unwrap();
    }
    let mut query = ListQuery {
        status: Some(Status::Completed),
        ..limited(2)
    };
    let first = world.page(&query);
    assert_eq!(ids(&first), newest_first(&made[4..6]));
    query.cursor = first.next;
    let second = world.page(&query);
    assert_eq!(ids(&second), newest_first(&made[3..4]));
    assert_eq!(second.next, None);
}

#[test]
fn a_page_ends_at_its_size_but_has_one_session_at_least() {
    let mut world = World::with(ProgressConfig {
        max_page_bytes: 10_000,
        heartbeat_ms: 0,
        ..ProgressConfig::default()
    });
    let made: Vec<Uuid> = (0..5)
        .map(|_| world.create(json!({"note": "x".repeat(4_000)})))
        .collect();
    let page = world.page(&limited(100));
    assert_eq!(ids(&page), newest_first(&made[3..5]));
    assert!(page.sessions.len() <= 10_000);
    assert_eq!(read_all(&mut world, 100, |_| {}), newest_first(&made));

    let large = world.create(json!({"note": "x".repeat(12_000)}));
    let page = world.page(&limited(100));
    assert_eq!(ids(&page), [large.to_string()]);
    assert!(page.next.is_some());
}

#[test]
fn lists_show_no_result_but_all_that_the_terminal_event_told() {
    let mut world = World::new();
    let id = world.create(json!({"operation": "copy"}));
    let result = json!({"summary": {"copied": 7}, "import_id": 3, "label": "night"});
    world.complete(id, result.clone()).unwrap();
    let listed = sessions(&world.page(&limited(1))).remove(0);
    let mut read = world.session(id);
    assert_eq!(read["result"], result);
    assert_eq!(listed["summary"], json!({"copied": 7}));
    assert_eq!(listed["import_id"], 3);
    read["result"] = json!(null);
    assert_eq!(listed, read);
}

#[test]
fn lists_are_right_at_the_time_of_the_answer() {
    let mut world = World::new();
    let id = world.create(json!({}));
    for step in 0..=10 {
        world.update(id, 0.01 * step as f64, json!({})).unwrap();
        world.advance(1_000);
    }
    let listed = |world: &World| sessions(&world.page(&limited(1))).remove(0);
    let before = listed(&world);
    assert_eq!(before, world.session(id));
    assert_eq!(
        (&before["stalled"], &before["eta_seconds"]),
        (&json!(false), &json!(90))
    );
    world.advance(10_000);
    let silent = listed(&world);
    assert!(silent["eta_seconds"].as_u64() > before["eta_seconds"].as_u64());
    assert!(
        silent["metadata"]["estimatedCompletion"].as_str()
            > before["metadata"]["estimatedCompletion"].as_str()
    );
    assert_eq!(silent["timestamp"], world.now.rfc3339());
    world.advance(20_000);
    let stalled = listed(&world);
    assert_eq!(
        (&stalled["stalled"], &stalled["eta_seconds"]),
        (&json!(true), &json!(null))
    );
    assert!(stalled["metadata"].get("estimatedCompletion").is_none());
    assert_eq!(stalled, world.session(id));
}

#[test]
fn a_list_of_a_thousand_makes_the_text_of_changed_sessions_only() {
    let mut world = World::new();
    let made: Vec<Uuid> = (0..1_000).map(|n| world.create(json!({"n": n}))).collect();
    let made_texts = |world: &World| -> usize {
        let sessions = world.tracker.sessions.iter();
        sessions.map(|(_, session)| session.views_made.get()).sum()
    };
    let list = |world: &mut World| read_all(world, 1_000, |world| world.advance(1_000));
    list(&mut world);
    assert_eq!(made_texts(&world), 1_000);
    list(&mut world);
    assert_eq!(made_texts(&world), 1_000, "none has changed");
    for id in &made[..7] {
        world.update(*id, 0.5, json!({})).unwrap();
    }
    list(&mut world);
    assert_eq!(made_texts(&world), 1_007);
    // The text of an end is made once, when it ends.
    world.complete(made[0], json!({})).unwrap();
    world.session(made[0]);
    list(&mut world);
    assert_eq!(made_texts(&world), 1_008);
}
