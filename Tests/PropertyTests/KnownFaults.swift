import Models
import Plans
import Schedules

/// Properties that the planner breaks today. Take an entry off when it is mended: every one hides what its property finds.
let knownFaults: [KnownFault] =
    [
        "a faster inner network is never slower", "faster memory is never slower", "a higher peak is never slower",
        "cheaper launches are never slower", "recomputing more keeps less and takes longer",
        "one more block a stage takes longer and keeps more",
    ].map {
        KnownFault(
            property: $0,
            reason: "reductions hide behind a rank's own backwards, and not behind its waiting between them",
            plans: { _, layout in
                layout.pipeline > 1 && layout.data * layout.context > 1
                    && (layout.overlap.data || layout.sharding == .gradients || layout.sharding == .parameters)
            })
    }
