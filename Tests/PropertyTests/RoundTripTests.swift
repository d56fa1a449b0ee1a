import Interchange
import Plans
import TestSupport
import Testing

/// Plans go out to other tools' files and come back as they were.
@Suite struct RoundTripTests {
    static let trips: [(target: ExportTarget, format: ImportFormat, file: String)] = [
        (.megatronLM, .megatronLM, "megatron-lm.args"), (.megatronLM, .megatronLM, "megatron-lm.sh"),
        (.megatronBridge, .megatronBridge, "megatron-bridge.yaml"), (.nemo, .nemo, "nemo.yaml"),
        (.nanotron, .nanotron, "nanotron.yaml"), (.gptNeoX, .gptNeoX, "gpt-neox.yml"),
    ]

    @Test(arguments: trips.indices) func plansComeBack(_ index: Int) throws {
        let (target, format, file) = Self.trips[index]
        var made = 0
        // One failure of each kind, by the facts that differ.
        var failures: [String: String] = [:]
        // A third of the plans, which are hundreds of trips.
        for (number, plan) in Corpus.drawn.legal.enumerated() where number % 3 == 0 {
            do {
                guard let trip = try RoundTrip(plan, target: target, format: format, file: file) else { continue }
                made += 1
                let differences = trip.sent.differences(from: trip.received)
                let kind = differences.map { $0.prefix { $0 != ":" } }.joined(separator: ", ")
                if !differences.isEmpty { failures[kind] = (differences + [trip.text]).joined(separator: "\n") }
            } catch {
                made += 1
                failures["refused \("\(error)".prefix { !$0.isNewline })"] = "\(error)"
            }
        }
        // Models of every kind are drawn, most of which the tool does not have.
        #expect(made >= Corpus.drawn.legal.count / 150, "\(made) trips")
        #expect(
            failures.isEmpty,
            "\(failures.keys.sorted().joined(separator: "\n"))\nOne of them:\n\(failures.values.first ?? "")")
    }
}
