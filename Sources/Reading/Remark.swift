/// Something assumed, doubtful or without effect that does not stop a command: people read it on standard error,
/// programs in the `notes` of every JSON document.
package struct Remark: Hashable, Codable, Sendable {
    /// What it is about; the words stay the same from release to release.
    package enum Code: String, Hashable, Codable, Sendable, CaseIterable {
        case clusterAssumed = "cluster-assumed"
        case batchAssumed = "batch-assumed"
        case batchInTokens = "batch-in-tokens"
        case batchLarge = "batch-large"
        case rateAssumed = "rate-assumed"
        case precisionChanged = "precision-changed"
        case tensorAcrossNodes = "tensor-across-nodes"
        case pipelineUnderfilled = "pipeline-underfilled"
        case shardingAlone = "sharding-alone"
        case shardGroupUnused = "shard-group-unused"
        /// The layout is none that the plan's software runs.
        case softwareLacks = "software-lacks"
        case devicesIdle = "devices-idle"
        case coresShared = "cores-shared"
        case neverEnds = "never-ends"
        /// A key that only prices, beside a real run.
        case pricedOnly = "priced-only"
        /// A key of a real run that another key leaves without effect.
        case keyUnused = "key-unused"
    }

    package var code: Code
    /// One sentence.
    package var text: String

    package init(_ code: Code, _ text: String) {
        self.code = code
        self.text = text
    }
}
