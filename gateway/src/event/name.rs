//! What can happen that somebody may want to hear of.

/// An event that this gateway tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A caller was not let in, or a hook refused a request.
    AuthFailure,
    /// A session was inactive or had expired.
    KeyExpired,
    /// The rate of a key or of an API was used up.
    RateLimitExceeded,
    /// The limit of a key whose rate is smoothed rose.
    RateLimitSmoothingUp,
    /// It fell.
    RateLimitSmoothingDown,
    /// The quota of a key was used up.
    QuotaExceeded,
    /// The quota of an organisation was used up.
    OrgQuotaExceeded,
    /// The rate of an organisation was used up.
    OrgRateLimitExceeded,
    /// A request was for no version of an API, or its version kept it out.
    VersionFailure,
    /// An upstream's host failed its tests.
    HostDown,
    /// It passed them again.
    HostUp,
    /// Some share of a quota was used up.
    TriggerExceeded,
    /// A circuit breaker opened or closed.
    BreakerTriggered,
    /// It opened.
    BreakerTripped,
    /// It closed.
    BreakerReset,
    /// A key was made.
    TokenCreated,
    /// A key was changed.
    TokenUpdated,
    /// A key was removed.
    TokenDeleted,
}

/// Events of requests and upstreams: handlers stand in API definitions.
pub(super) const OF_APIS: [Name; 14] = [
    Name::AuthFailure,
    Name::KeyExpired,
    Name::RateLimitExceeded,
    Name::RateLimitSmoothingUp,
    Name::RateLimitSmoothingDown,
    Name::QuotaExceeded,
    Name::OrgQuotaExceeded,
    Name::OrgRateLimitExceeded,
    Name::VersionFailure,
    Name::BreakerTriggered,
    Name::BreakerTripped,
    Name::BreakerReset,
    Name::HostDown,
    Name::HostUp,
];
/// Events of the control API: handlers stand in `tyk.conf`.
pub(super) const OF_THE_SYSTEM: [Name; 3] = [Name::TokenCreated, Name::TokenUpdated, Name::TokenDeleted];

impl Name {
    /// As files and payloads spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthFailure => "AuthFailure",
            Self::KeyExpired => "KeyExpired",
            Self::RateLimitExceeded => "RatelimitExceeded",
            Self::RateLimitSmoothingUp => "RateLimitSmoothingUp",
            Self::RateLimitSmoothingDown => "RateLimitSmoothingDown",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::OrgQuotaExceeded => "OrgQuotaExceeded",
            Self::OrgRateLimitExceeded => "OrgRateLimitExceeded",
            Self::VersionFailure => "VersionFailure",
            Self::HostDown => "HostDown",
            Self::HostUp => "HostUp",
            Self::TriggerExceeded => "TriggerExceeded",
            Self::BreakerTriggered => "BreakerTriggered",
            Self::BreakerTripped => "BreakerTripped",
            Self::BreakerReset => "BreakerReset",
            Self::TokenCreated => "TokenCreated",
            Self::TokenUpdated => "TokenUpdated",
            Self::TokenDeleted => "TokenDeleted",
        }
    }
}
