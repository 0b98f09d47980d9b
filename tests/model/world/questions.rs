//! What is asked of the hub that changes nobody's place: who is here, and whether a room has to wait.

use std::sync::{Arc, atomic::Ordering};

use chat_proto::{ErrorCode, limits::PAGE_ENTRIES_MAX};
use iocp_chat::room::SessionId;
use rand::RngExt;

use super::{ROOMS, World};

impl World {
    /// The next page, or the first: members in the order of their numbers, from after the last page on.
    pub(super) fn who(&mut self) {
        let Some((index, anywhere)) = self.anyone_anywhere() else { return };
        let (room, after) = self.people[index].paging.take().unwrap_or((anywhere, 0));
        let limit = [0, 1, 2, 3, PAGE_ENTRIES_MAX, PAGE_ENTRIES_MAX + 1][self.rng.random_range(0..6)];
        let page = self.hub.who(room, self.people[index].id, after, limit);
        if limit == 0 || limit > PAGE_ENTRIES_MAX {
            assert_eq!(page, Err(ErrorCode::RangeInvalid));
            return;
        }
        if let Err(code) = self.is_member(room, self.people[index].id) {
            assert_eq!(page, Err(code));
            return;
        }
        let page = page.expect("a member asks");
        let members = &self.members[&room];
        let rest: Vec<u64> = members.iter().map(|id| id.0).filter(|id| *id > after).collect();
        let (here, later) = rest.split_at(rest.len().min(limit.into()));
        let names: Vec<&str> = page.entries.0.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, here.iter().map(|id| format!("person{id}")).collect::<Vec<_>>());
        assert_eq!(page.members as usize, members.len());
        assert_eq!(page.next, if later.is_empty() { 0 } else { *here.last().expect("a page before more") });
        self.people[index].paging = (page.next != 0).then_some((room, page.next));
        self.told.pages += 1;
    }

    /// Whether a room waits: never for nobody, always for somebody about to be lapped, never for ever.
    pub(super) fn pace(&mut self) {
        let room = self.rng.random_range(1..=ROOMS);
        let log = &self.rooms[&room];
        let places: Vec<(SessionId, u64)> = self
            .people
            .iter()
            .filter(|person| self.members[&room].contains(&person.id))
            .map(|person| (person.id, person.stays.iter().rfind(|stay| stay.conversation == room)))
            .map(|(id, stay)| (id, stay.expect("a member stays").cursor))
            .collect();
        let passed = Arc::clone(&self.passed[&room]);
        let told = passed.load(Ordering::Relaxed);
        if self.hub.is_ahead(room) {
            assert!(places.iter().any(|(_, cursor)| *cursor < log.readable), "it waits for nobody");
            if self.rng.random_bool(0.3) {
                self.hub.leave_behind(room);
                // As far as the model can tell: the hub also looks at where blocks begin.
                let behind = places.iter().filter(|(_, cursor)| *cursor < log.readable);
                self.left_behind.extend(behind.map(|(id, _)| (room, *id)));
                assert!(!self.hub.is_ahead(room), "it waits for whom it has left behind");
                return;
            }
            for _ in 0..self.rng.random_range(0..8) {
                self.read();
            }
            if !self.hub.is_ahead(room) {
                assert!(passed.load(Ordering::Relaxed) > told, "a room that waited is not told to go on");
                self.told.waits += 1;
            }
            return;
        }
        for (id, cursor) in places {
            let waited_for = !self.left_behind.contains(&(room, id));
            assert!(
                !waited_for || !log.is_more_than_half_after(cursor),
                "{id} is not waited for at {cursor}"
            );
        }
        self.told.goes_on += 1;
    }
}
