package import Plans
package import Reading

/// One stage of a campaign: jobs on devices of the pool.
package struct Stage: Hashable, Sendable {
    package var name: String
    package var kind: StageKind
    /// Numbers of the stages that end before this one begins.
    package var after: [Int]
    /// Devices of every job.
    package var devices: Int
    package var jobs: [StageJob]
    /// Jobs that may run at the same time; nil: as many as have devices.
    package var atOnce: Int?
    package var repetition: Repetition?
    package var labels: HumanLabels?
    /// The stage's place in its file, for messages.
    package var place: PlanProblem

    /// Jobs of the stage.
    package var count: Int { jobs.reduce(0) { $0 + $1.count } }

    package init(
        name: String, kind: StageKind, after: [Int], devices: Int, jobs: [StageJob], atOnce: Int? = nil,
        repetition: Repetition? = nil, labels: HumanLabels? = nil, place: PlanProblem
    ) {
        (self.name, self.kind, self.after, self.devices) = (name, kind, after, devices)
        (self.jobs, self.atOnce, self.repetition, self.labels) = (jobs, atOnce, repetition, labels)
        self.place = place
    }
}

/// Jobs of a stage that cost the same.
package struct StageJob: Hashable, Sendable {
    /// What sets these jobs apart from the others of the stage; empty: nothing.
    package var label: String
    package var count: Int
    /// Lists of parts that follow one another. Several lists run at the same time, each on devices of its own.
    package var lanes: [[StagePart]]

    package init(label: String = "", count: Int = 1, lanes: [[StagePart]]) {
        (self.label, self.count, self.lanes) = (label, count, lanes)
    }
}

/// Something a job does: training, answers or forwards of one model.
package struct StagePart: Hashable, Sendable {
    package enum Work: Hashable, Sendable {
        case training(Plan)
        case serving(ServedTokens)
    }

    /// Such as `training` or `answers of the actor`.
    package var name: String
    package var work: Work

    package init(_ name: String, _ work: Work) { (self.name, self.work) = (name, work) }

    /// Model and devices.
    package var plan: Plan {
        switch work {
        case .training(let plan): plan
        case .serving(let tokens): tokens.plan
        }
    }
}

/// Requests to a model that does not learn: it reads tokens, and may write some.
package struct ServedTokens: Hashable, Sendable {
    /// Model, devices and precision.
    package var plan: Plan
    package var requests: Double
    package var promptTokens: Int
    /// Tokens that each request writes; 0: a forward over the prompt alone.
    package var outputTokens: Int

    package init(plan: Plan, requests: Double, promptTokens: Int, outputTokens: Int) {
        (self.plan, self.requests) = (plan, requests)
        (self.promptTokens, self.outputTokens) = (promptTokens, outputTokens)
    }
}

/// The chance that a job must be done again.
package struct Repetition: Hashable, Sendable {
    package var probability: Double
    /// Share of the job that is done again.
    package var share: Double

    package init(probability: Double, share: Double) { (self.probability, self.share) = (probability, share) }
}

/// Labels that people give.
package struct HumanLabels: Hashable, Sendable {
    package var number: Double
    /// Price of a label; nil: not counted.
    package var price: Double?
    /// Labels a day; nil: they take no time of their own.
    package var perDay: Double?

    package init(number: Double, price: Double?, perDay: Double?) {
        (self.number, self.price, self.perDay) = (number, price, perDay)
    }

    package var days: Double { perDay.map { number / $0 } ?? 0 }
    package var cost: Double? { price.map { $0 * number } }
}
