//! A stack's metrics, where you collect them: Prometheus, the `metrics` facade, OpenTelemetry, CloudWatch.
//!
//! | feature | here | adds |
//! |---|---|---|
//! | `prometheus` | `Prometheus`: a collector for a registry of `prometheus-client`, which writes the text; serving it is up to you | `prometheus-client` |
//! | `metrics` | `Facade`: publishes to whatever recorder is installed | `metrics` |
//! | `opentelemetry` | `OpenTelemetry`: observable instruments of a meter of yours | `opentelemetry`, its API alone |
//! | `emf` | `Emf`: lines for the log, in CloudWatch's embedded metric format | `serde_json` |
//!
//! All of them read [`Registry::snapshot`](crate::control::Registry::snapshot) when they are asked, and translate. None
//! of this runs in a call: a call adds to plain numbers, whether anybody collects them or not. What there is to collect
//! is in [`Metric`](crate::telemetry::Metric)'s table: names, kinds, units and attributes are the same everywhere, and
//! where a system writes them differently (`plimsoll_refusals_total`), they follow that system's own rules.
//!
//! A layer's state is always there. Refusals, trips and retries are counted only in a stack that is
//! [`counted`](crate::Stack::counted), and calls and their durations by a [meter](crate::Stack::metered): a scrape
//! without `plimsoll_refusals_total` comes from a stack that is not counted, or has refused nothing yet.
//!
//! How many series there are is fixed by the stack: each layer is one value of the attribute `plimsoll.layer`, its
//! [label](crate::control::Registry#names), and all other attributes have values fixed in the library. In a label,
//! characters that a system's text cannot hold (quotes, line breaks) are escaped.

#[cfg(any(feature = "metrics", feature = "emf"))]
mod delta;
#[cfg(feature = "emf")]
mod emf;
#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
#[cfg(feature = "prometheus")]
mod prometheus;

#[cfg(feature = "emf")]
pub use self::emf::Emf;
#[cfg(feature = "metrics")]
pub use self::facade::Facade;
#[cfg(feature = "opentelemetry")]
pub use self::opentelemetry::OpenTelemetry;
#[cfg(feature = "prometheus")]
pub use self::prometheus::Prometheus;
