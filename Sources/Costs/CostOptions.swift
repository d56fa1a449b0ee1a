/// What a plan does not say and the count depends on. The defaults are what `estimate` uses.
package struct CostOptions: Hashable, Sendable {
    /// Whether blocks drop activations at random and keep the masks; nil: with unfused attention only. The contract has
    /// no such key: models trained before flash attention dropped activations (and the figures of Korthikanti et al.
    /// 2022 count the masks), current ones and the runtime here do not.
    package var dropout: Bool?
    package init(dropout: Bool? = nil) { self.dropout = dropout }
}

/// Constants of the time model that no cluster file carries; each is explained in docs/cost-model.md.
enum CostConstants {
    /// Matrix-product work of flash attention's backward over its forward: five products against two.
    static let flashBackwardWork = 2.5
    /// Share of the forward's efficiency that flash attention's backward reaches.
    static let flashBackwardShare = 0.85
    /// Bytes moved a logit by the loss, forward: read, widen to fp32, maximum, exponential, sum, normalise.
    static let lossForwardBytes = 18.0
    /// Bytes moved a logit by the loss, backward: read and narrow.
    static let lossBackwardBytes = 6.0
    /// Bytes a second one node writes to checkpoint storage: BLOOM's 2.3 TB took 40 s from 48 nodes (its training log).
    static let checkpointBytesPerSecond = 1.2e9
    /// Seconds from a failure to training again: within 15 minutes where recovery is automatic (Jiang et al. 2024,
    /// MegaScale).
    static let restartSeconds = 900.0
    /// Mean draw of a training accelerator as a share of its board power, and of its share of the host.
    static let powerShare = 0.8
    static let hostPowerShare = 0.2
    /// Energy a data centre draws over what the computers draw.
    static let powerUsageEffectiveness = 1.1
}
