//! The lives of requests: attempts, timeouts, retries, and the books of all that.

use super::{Engine, Event};
use crate::{
    clock::nanos,
    testing::{
        attempts::Attempt,
        client::{Arrival, Verdict},
        load::Kind,
        tally::Request,
        world,
    },
};

impl<'a> Engine<'a> {
    /// A request comes.
    pub(super) fn come(&mut self, caller: usize) {
        let (stream, from) = (&mut self.streams[caller], &self.plan.callers[caller]);
        let arrival = Arrival {
            number: stream.count,
            attempt: 0,
            class: from.classes.pick(stream.belongs.draw()).min(255) as u8,
            tenant: from.tenants.pick(stream.belongs.draw()) as u64,
            deadline: None,
            random: stream.belongs.draw(),
        };
        stream.count += 1;
        let request = Request { caller, arrival, came: self.clock.now() };
        self.tallies[caller].come(&request);
        let request = self.requests.insert(request);
        self.attempt(request);
    }

    /// A request is tried, once more or for the first time.
    pub(super) fn attempt(&mut self, request: usize) {
        let Some(Request { caller, arrival, .. }) = self.requests.get_mut(request) else { return };
        let from = &mut self.plan.callers[*caller];
        arrival.attempt += 1;
        let timeout = nanos(from.client.timeout);
        let ends = self.clock.now().saturating_add(timeout);
        arrival.deadline = from.client.tells_deadline.then(|| self.clock.at(ends));
        let luck = arrival.random.rotate_left(arrival.attempt);
        let call = (from.send)(arrival);
        let tag = self.attempts.begin(request, ((*caller).min(255) as u8, arrival.class), luck, self.clock.now(), call);
        self.begun += 1;
        self.tallies[*caller].begin(self.clock.now());
        if ends < u64::MAX {
            self.timeouts[*caller].add(ends, tag);
        }
    }

    /// A client gives up on an attempt.
    pub(super) fn time_out(&mut self, tag: u64) {
        let Some(attempt) = self.attempts.get(tag) else { return };
        let request = attempt.request;
        let Some(Request { caller, .. }) = self.requests.get(request) else { return };
        let tally = &mut self.tallies[*caller];
        tally.timed_out(attempt.started);
        if self.plan.callers[*caller].client.hangs_up {
            tally.spent(attempt.started, attempt.work, false);
            self.attempts.end(tag);
        } else {
            attempt.late = true;
        }
        self.again(request);
    }

    /// An attempt is done, in time or not.
    pub(super) fn done(&mut self, attempt: &Attempt<'a>, verdict: Verdict) {
        // What a server did for it in this very instant is not in the books yet.
        for server in &self.plan.servers {
            server.pass(self.clock.now(), &mut self.spent);
        }
        let work = attempt.work + self.take(attempt.tag);
        let Some(Request { caller, .. }) = self.requests.get(attempt.request).filter(|_| !attempt.late) else {
            return self.in_vain(attempt.tag, attempt.started, work);
        };
        let tally = &mut self.tallies[*caller];
        tally.done(self.clock.now(), attempt.started, verdict);
        tally.spent(attempt.started, work, verdict == Verdict::Success);
        if let Verdict::Refused(_) = verdict {
            self.plan.servers.iter().for_each(|server| server.refused(self.clock.now()));
        }
        match verdict {
            Verdict::Success => self.end(attempt.request, true),
            _ => self.again(attempt.request),
        }
    }

    /// Tries a request again, if its client does.
    fn again(&mut self, request: usize) {
        let Some(Request { caller, arrival, .. }) = self.requests.get(request) else { return };
        let client = &self.plan.callers[*caller].client;
        if arrival.attempt > client.retries {
            return self.end(request, false);
        }
        let pause = client.pause(self.streams[*caller].pauses.draw());
        self.agenda.add(self.clock.now().saturating_add(pause), Event::Retry(request));
    }

    fn end(&mut self, request: usize, succeeded: bool) {
        let request = self.requests.remove(request);
        self.tallies[request.caller].end(self.clock.now(), &request, succeeded);
        if let Kind::Closed { think, .. } = self.plan.callers[request.caller].load.kind {
            self.think(request.caller, think);
        }
    }

    /// Books the work that servers did to the attempts for which they did it.
    pub(super) fn book(&mut self) {
        for spent in std::mem::take(&mut self.spent) {
            match self.attempts.get(spent.tag) {
                Some(attempt) => attempt.work += spent.secs,
                None => self.in_vain(spent.tag, spent.came, spent.secs),
            }
        }
    }

    /// Takes out of the books what was done for one attempt.
    fn take(&mut self, tag: u64) -> f64 {
        let mine = self.spent.iter().filter(|spent| spent.tag == tag).map(|spent| spent.secs).sum();
        self.spent.retain(|spent| spent.tag != tag);
        mine
    }

    /// Work for which nobody waits any more.
    fn in_vain(&mut self, tag: u64, came: u64, secs: f64) {
        if let Some(tally) = self.tallies.get_mut(world::load_of(tag)) {
            tally.spent(came, secs, false);
        }
    }

    /// What is still under way when the run is over has failed.
    pub(super) fn close(&mut self) {
        self.plan.servers.iter().for_each(|server| server.close(&mut self.spent));
        self.book();
        for attempt in self.attempts.drain() {
            if let Some(request) = self.requests.get(attempt.request).filter(|_| !attempt.late) {
                self.tallies[request.caller].timed_out(attempt.started);
            }
            let load = world::load_of(attempt.tag).min(self.tallies.len().saturating_sub(1));
            self.tallies[load].spent(attempt.started, attempt.work, false);
        }
        for request in self.requests.drain() {
            self.tallies[request.caller].end(self.clock.now(), &request, false);
        }
    }
}
