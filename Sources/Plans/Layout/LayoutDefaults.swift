extension Layout {
    /// Keys of a layout whose default may decide much of the time or of the memory. Answers say so.
    package enum Default: String, Hashable, Codable, Sendable, CaseIterable {
        case tensorOverlap = "overlap.tensor"
        case expertOverlap = "overlap.expert"
        case dispatcher, schedule, microbatch, sequenceParallel, recompute, sharding, offload
        case offloadOverlap = "offload.overlap"
        /// The division of the blocks, which is the software's own.
        case layersPerStage

        /// Transfers that compute hides, or that a faster way carries, only in software that is told to. An open layout leaves
        /// them to their default too, since no search chooses them.
        package static let transfers: Set<Default> = [
            .tensorOverlap, .expertOverlap, .dispatcher, .offloadOverlap,
        ]
    }
}
