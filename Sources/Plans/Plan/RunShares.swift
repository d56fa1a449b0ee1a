internal import Numbers
internal import Reading

/// Time of a whole run beyond its steps and beyond failures, as a plan states it in `run:`. nil leaves a part to its
/// default.
package struct RunShares: Hashable, Codable, Sendable {
    /// Time of evaluations over that of the steps.
    package var evaluation: Double?
    /// Time that steps wait for their data, over that of the steps.
    package var data: Double?
    /// Time of stops and repeated steps that no automatic restart explains, over that of the steps.
    package var idle: Double?
    /// Time of a step as teams ran it, over that of the fastest layout. nil: 1 for a layout that the plan states.
    package var practice: Double?

    package init(evaluation: Double? = nil, data: Double? = nil, idle: Double? = nil, practice: Double? = nil) {
        self.evaluation = evaluation
        self.data = data
        self.idle = idle
        self.practice = practice
    }

    /// A run of steps alone: nothing is added to them.
    package static let none = RunShares(evaluation: 0, data: 0, idle: 0, practice: 1)

    /// BloombergGPT (arXiv 2303.17564, section 4): 139,200 steps of 32.5 s are 52.4 days of the 53 reported, with the loss of
    /// the whole validation set every 300 steps.
    package static let usualEvaluation = 0.01
    /// Input is read ahead while a step computes (Jiang et al. 2024, MegaScale, section 3.4), and step times that are
    /// published contain any wait for it.
    package static let usualData = 0.0
    /// The median of nine published shares of time that trains, 90 %, over what failures, checkpoints and evaluation
    /// explain (`trained` in plans/published/whole-runs.yaml).
    package static let usualIdle = 0.05

    /// A step as teams ran it over the fastest layout that a search finds. All but `picked` are medians over publications
    /// (`trainyard validate --whole-runs` prints them).
    package enum Practice {
        /// The plan states a layout of its own, and a search picks another for the same team and software: the lowest of
        /// many predictions is too low by 0.45 of the spread between layouts of one model on one machine, 0.105.
        package static let picked = 1.05
        /// The plan names software with fused attention.
        package static let named = 1.10
        /// The plan names no software: teams used others than the one assumed.
        package static let assumed = 1.16
        /// Software before fused attention, whose users knew neither that nor selective recomputation.
        package static let unfused = 1.72
    }

    /// Time of a team's step on `framework` over that of the fastest layout.
    /// - Parameter ownsLayout: whether the team has a layout of its own to set it against.
    package static func practice(on framework: Framework, isNamed: Bool, ownsLayout: Bool) -> Double {
        guard framework.name != Frameworks.processes else { return 1 }
        if ownsLayout { return Practice.picked }
        if framework.isUnfused { return Practice.unfused }
        return isNamed ? Practice.named : Practice.assumed
    }

    static func read(_ reader: FieldReader) -> RunShares {
        guard let map = reader.map("run") else { return RunShares() }
        let shares = RunShares(
            evaluation: map.number("evaluation", .share, in: 0...10), data: map.number("data", .share, in: 0...10),
            idle: map.number("idle", .share, in: 0...100), practice: map.number("practice", .plain, in: 0.1...100))
        map.reportUnknownKeys()
        return shares
    }

    /// The map as a plan writes it; nil if it says nothing.
    var yaml: String? {
        let fields = [("evaluation", evaluation), ("data", data), ("idle", idle), ("practice", practice)]
            .compactMap { key, value in value.map { "\(key): \(Figures.plain($0))" } }
        return fields.isEmpty ? nil : "{\(fields.joined(separator: ", "))}"
    }
}

extension Framework {
    /// Whether its attention keeps the scores in memory: software before FlashAttention (Dao et al., May 2022) was in it.
    package var isUnfused: Bool {
        let old = [Frameworks.unfusedMegatron, Frameworks.blockingMegatron, Frameworks.unfusedZero]
        return old.contains(name) || bases.contains { old.contains($0.name) }
    }
}

extension Plan {
    /// Whether the plan runs on accelerators, on which the published whole runs were made.
    package var isOnAccelerators: Bool {
        (cluster.device.peakFLOPs.values.max() ?? 0) >= Device.slowestAccelerator
    }

    package var evaluationShare: Double { run.evaluation ?? (isOnAccelerators ? RunShares.usualEvaluation : 0) }
    package var dataShare: Double { run.data ?? (isOnAccelerators ? RunShares.usualData : 0) }
    package var idleShare: Double { run.idle ?? (isOnAccelerators ? RunShares.usualIdle : 0) }
    package var practice: Double { run.practice ?? 1 }

    /// Time of the run without failures over that of its steps.
    package var runOverSteps: Double { practice * (1 + evaluationShare + dataShare + idleShare) }
}
