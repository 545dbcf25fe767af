//! A request carries its work along.

use plimsoll::{
    Stack,
    work::{CarryWork, Work},
    work_budget::{Cost, WorkBudget},
};
use tower::{ServiceExt, service_fn};

use crate::{Ask, Failed, seats, spending};

#[derive(Clone)]
struct Carrying {
    ask: Ask,
    work: Option<Work>,
}

#[derive(Clone, Copy)]
struct InRequest;

impl CarryWork<Carrying> for InRequest {
    fn get(&self, req: &Carrying) -> Option<Work> {
        req.work.clone()
    }

    fn insert(&self, req: &mut Carrying, work: Work) {
        req.work = Some(work);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_carries_its_work_across_a_spawn_and_draws_from_what_it_brought() {
    let budget = || WorkBudget::new(seats(9)).cost_by(|req: &Carrying| Cost::fuel(req.ask.estimate)).carry(InRequest);
    let further_in = Stack::new().work_budget(budget()).wrap(service_fn(|req: Carrying| async move {
        req.work.expect("carried").spend(req.ask.spends)?;
        Ok::<_, Failed>(())
    }));
    let service = Stack::new().work_budget(budget()).wrap(service_fn(move |req: Carrying| {
        let (further_in, outer) = (further_in.clone(), req.work.clone().expect("carried"));
        async move {
            assert!(outer.remaining() == 20);
            tokio::spawn(further_in.oneshot(req)).await.expect("no panic")?;
            Ok::<_, Failed>(outer.remaining())
        }
    }));
    let answer = service.oneshot(Carrying { ask: spending(5, 8), work: None }).await;
    assert_eq!(answer.ok(), Some(12));
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn an_http_request_carries_its_work_among_its_extensions() {
    let budget = WorkBudget::new(seats(9)).carry(plimsoll::http::Extensions);
    let service = Stack::new().work_budget(budget).wrap(service_fn(|req: http::Request<()>| async move {
        let work = req.extensions().get::<Work>().expect("carried");
        work.spend(1)?;
        Ok::<_, Failed>(work.remaining())
    }));
    assert_eq!(service.oneshot(http::Request::new(())).await.ok(), Some(999));
}
