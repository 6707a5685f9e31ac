//! How a site counts time.

use super::call::Call;
use super::client::SiteClient;
use super::error::JiraError;
use serde::{Deserialize, Serialize};

/// Time tracking settings of a site. Hours and days may be fractional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeTracking {
    /// Hours of a working day.
    pub working_hours_per_day: f64,
    /// Days of a working week.
    pub working_days_per_week: f64,
    /// Unit of a bare number: `minute`, `hour`, `day` or `week`.
    pub default_unit: String,
    /// Whether worklogs can be read and written at all.
    pub enabled: bool,
}

impl Default for TimeTracking {
    /// Jira's own defaults.
    fn default() -> Self {
        Self {
            working_hours_per_day: 8.0,
            working_days_per_week: 5.0,
            default_unit: "minute".into(),
            enabled: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    time_tracking_enabled: Option<bool>,
    time_tracking_configuration: Option<Options>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    working_hours_per_day: Option<f64>,
    working_days_per_week: Option<f64>,
    default_unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerInfo {
    base_url: String,
}

impl SiteClient {
    /// Where people see the site.
    pub async fn address(&self) -> Result<String, JiraError> {
        let info: ServerInfo = self.send(&Call::get("/rest/api/3/serverInfo")).await?.json()?;
        Ok(info.base_url)
    }

    /// The site's time tracking settings, from the configuration that needs no admin right.
    pub async fn time_tracking(&self) -> Result<TimeTracking, JiraError> {
        let configuration: Configuration =
            self.send(&Call::get("/rest/api/3/configuration")).await?.json()?;
        let usual = TimeTracking::default();
        let options = configuration.time_tracking_configuration;
        let positive = |value: Option<f64>, otherwise: f64| {
            value.filter(|value| value.is_finite() && *value > 0.0).unwrap_or(otherwise)
        };
        Ok(TimeTracking {
            working_hours_per_day: positive(
                options.as_ref().and_then(|options| options.working_hours_per_day),
                usual.working_hours_per_day,
            ),
            working_days_per_week: positive(
                options.as_ref().and_then(|options| options.working_days_per_week),
                usual.working_days_per_week,
            ),
            default_unit: options.and_then(|options| options.default_unit).unwrap_or(usual.default_unit),
            enabled: configuration.time_tracking_enabled.unwrap_or(true),
        })
    }
}
