/// Assumptions of an estimate that a plan does not state; the defaults are those of `estimate`.
package struct CostOptions: Hashable, Sendable {
    /// Whether blocks drop activations at random and keep the masks; nil: with unfused attention only. Plan
    /// files have no key for it. Models trained before flash attention dropped activations, and the figures of
    /// Korthikanti et al. 2022 count the masks; current models and the runtime here drop none.
    package var dropout: Bool?
    package init(dropout: Bool? = nil) { self.dropout = dropout }
}
