import Foundation
import Plans
import Testing

/// Something that is true of every plan, or of every plan it speaks of.
struct Property: Sendable, CustomTestStringConvertible {
    enum Outcome {
        /// The property says nothing about this plan.
        case silent
        case holds
        /// In words, with the numbers.
        case fails(String)

        /// The first that fails; holds where one holds.
        static func all(_ outcomes: [Self]) -> Self {
            var result = Self.silent
            for outcome in outcomes {
                if case .fails = outcome { return outcome }
                if case .holds = outcome { result = outcome }
            }
            return result
        }
    }

    var name: String
    /// How many of every hundred plans it must speak of, so that it cannot hold for want of plans.
    var share = 2.0
    /// One plan in so many is asked; the slow ones ask fewer.
    var every = 1
    var check: @Sendable (Plan, Layout) throws -> Outcome

    var testDescription: String { name }

    /// The outcome; what cannot be priced fails.
    func outcome(_ plan: Plan) -> Outcome {
        guard let layout = plan.layout else { return .silent }
        do { return try check(plan, layout) } catch { return .fails("\(error)") }
    }

    /// Asks every plan, and reports the first that fails as a small plan somebody can run.
    func expectToHold(_ plans: [Plan], sourceLocation: SourceLocation = #_sourceLocation) {
        var asked = 0
        var spoken = 0
        var failures = 0
        var first: Plan?
        for index in stride(from: 0, to: plans.count, by: every) {
            asked += 1
            switch outcome(plans[index]) {
            case .silent: continue
            case .holds: spoken += 1
            case .fails:
                spoken += 1
                guard !knownFaults.contains(where: { $0.excuses(name, plans[index]) }) else { continue }
                failures += 1
                first = first ?? plans[index]
            }
        }
        #expect(
            Double(spoken) >= share / 100 * Double(asked), "\(name): speaks of \(spoken) of \(asked) plans only",
            sourceLocation: sourceLocation)
        guard let first else { return }
        let small = Shrinker.shrink(first) { plan in
            if case .fails = outcome(plan) { return !knownFaults.contains { $0.excuses(name, plan) } }
            return false
        }
        guard case .fails(let words) = outcome(small) else { return }
        Issue.record(
            "\(name): \(failures) of \(spoken) plans fail. The smallest found:\n# \(words)\n\(small.yaml)",
            sourceLocation: sourceLocation)
    }

    /// Holds where the numbers agree to `tolerance` of the larger.
    static func equal(_ what: String, _ found: Double, _ right: Double, tolerance: Double = 1e-9) -> Outcome {
        if found == right { return .holds }
        let gap = abs(found - right) / max(abs(found), abs(right))
        return gap <= tolerance ? .holds : .fails("\(what): \(found), counted \(right)")
    }

    /// Holds where `lesser` is at most `greater`, but for rounding.
    static func atMost(_ what: String, _ lesser: Double, _ greater: Double, tolerance: Double = 1e-9) -> Outcome {
        lesser <= greater + tolerance * max(abs(lesser), abs(greater))
            ? .holds : .fails("\(what): \(lesser) is above \(greater)")
    }
}

/// A property that the planner is known to break, and for which plans.
struct KnownFault: Sendable {
    var property: String
    /// What is wrong, in words.
    var reason: String
    /// Plans it shows in; all of them where it is left out.
    var plans: @Sendable (Plan, Layout) -> Bool = { _, _ in true }

    func excuses(_ name: String, _ plan: Plan) -> Bool {
        name == property && plan.layout.map { plans(plan, $0) } == true
    }
}

/// The plans that all properties are asked about.
enum Corpus {
    /// Fewer where nothing is optimised.
    static let isWhole: Bool = {
        #if DEBUG
            false
        #else
            true
        #endif
    }()
    /// `TRAINYARD_RANDOM_PLANS=10000 make check ROOM=Property` asks more of them than `make test` has time for.
    static let size =
        ProcessInfo.processInfo.environment["TRAINYARD_RANDOM_PLANS"].flatMap { Int($0) } ?? (isWhole ? 1500 : 400)
    static let drawn = RandomPlans.legal(size, seed: 20_260_101)
    static var plans: [Plan] { drawn.legal }
}
