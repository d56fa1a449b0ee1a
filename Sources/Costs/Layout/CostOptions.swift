/// Assumptions of an estimate that a plan does not state. The defaults are those of `estimate`.
package struct CostOptions: Hashable, Sendable {
    /// Whether blocks use dropout and keep its masks; nil: only with unfused attention. Plan files have no key for it.
    /// Models trained before flash attention used dropout, and the figures of Korthikanti et al. 2022 count the masks;
    /// current models and the runtime here use none.
    package var dropout: Bool?
    package init(dropout: Bool? = nil) { self.dropout = dropout }
}
