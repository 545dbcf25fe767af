use std::{fmt, sync::Arc};

use super::Rule;
use crate::{control::Layer, telemetry::Value};

/// Layers of a stack that do not fit together: which ones, by what rule, and what to change. It prints as one line.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Warning {
    rule: Rule,
    first: Subject,
    second: Option<Subject>,
}

/// What a warning is about: a layer, and the setting that does not fit, if it is a setting.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Subject {
    /// The layer's label: see [`Registry`](crate::control::Registry).
    pub layer: Arc<str>,
    /// The setting and its value. `None` where the layer is in the wrong place, whatever its settings are.
    pub setting: Option<(&'static str, Value)>,
}

impl Warning {
    pub(crate) fn new(rule: Rule, first: Subject, second: Option<Subject>) -> Self {
        Self { rule, first, second }
    }

    /// What was found.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The layer that is to blame, and its setting.
    pub fn first(&self) -> &Subject {
        &self.first
    }

    /// The layer that it does not fit, if that is another one.
    pub fn second(&self) -> Option<&Subject> {
        self.second.as_ref()
    }
}

impl Subject {
    /// A layer, whatever its settings are.
    pub(super) fn layer(layer: &Layer) -> Self {
        Self { layer: Arc::clone(&layer.label), setting: None }
    }

    /// A setting of a layer. What is not set is shown as not set.
    pub(super) fn setting(layer: &Layer, name: &'static str) -> Self {
        let value = layer.setting(name).cloned().unwrap_or(Value::Unset);
        Self { setting: Some((name, value)), ..Self::layer(layer) }
    }

    /// Something that is said about a layer, in the place of its setting.
    pub(crate) fn said(layer: &str, name: &'static str, value: impl Into<Value>) -> Self {
        Self { layer: layer.into(), setting: Some((name, value.into())) }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, first, second } = self;
        write!(f, "{first} {}", rule.found())?;
        if let Some(second) = second {
            write!(f, " {second}")?;
        }
        write!(f, ": {}. {}", rule.why(), rule.remedy())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.layer)?;
        match &self.setting {
            Some((name, value)) => write!(f, " ({name} {value})"),
            None => Ok(()),
        }
    }
}
