/// An assumption, a doubt or a setting without effect that does not stop a command. People read it on standard error,
/// programs in the `notes` of every JSON document.
package struct Remark: Hashable, Codable, Sendable {
    /// The subject of a remark. The codes stay the same from release to release.
    package enum Code: String, Hashable, Codable, Sendable, CaseIterable {
        case clusterAssumed = "cluster-assumed"
        /// A device's name fits several clusters, and the usual one was taken.
        case clusterChosen = "cluster-chosen"
        /// No published run on the device was compared with a prediction.
        case deviceWithoutRuns = "device-without-runs"
        /// No published run with offload was compared with a prediction.
        case offloadWithoutRuns = "offload-without-runs"
        case batchAssumed = "batch-assumed"
        case batchInTokens = "batch-in-tokens"
        case batchLarge = "batch-large"
        case rateAssumed = "rate-assumed"
        case precisionChanged = "precision-changed"
        case tensorAcrossNodes = "tensor-across-nodes"
        case pipelineUnderfilled = "pipeline-underfilled"
        case shardingAlone = "sharding-alone"
        case shardGroupUnused = "shard-group-unused"
        /// The plan's software cannot run the layout.
        case softwareLacks = "software-lacks"
        /// The named release of a software is older than all that are described.
        case releaseOlder = "release-older"
        /// A default of the plan that costs or saves much time.
        case defaultDecides = "default-decides"
        /// How measured steps shift the answer.
        case anchored
        /// The measurement that would narrow the band most.
        case measureNext = "measure-next"
        case devicesIdle = "devices-idle"
        case coresShared = "cores-shared"
        case neverEnds = "never-ends"
        /// How a model's configuration was read, and what it leaves out of the count.
        case modelRead = "model-read"
        /// Keys of a model's configuration that change no shape.
        case modelKeysIgnored = "model-keys-ignored"
        case sequenceAssumed = "sequence-assumed"
        /// A key that affects only prices, in a plan that is really trained.
        case pricedOnly = "priced-only"
        /// A key of a real run that has no effect because of another key.
        case keyUnused = "key-unused"
        /// A budget beyond the runs that a scaling law was fitted to.
        case lawExtrapolated = "law-extrapolated"
    }

    package var code: Code
    /// The remark as one sentence.
    package var text: String

    package init(_ code: Code, _ text: String) {
        self.code = code
        self.text = text
    }
}
