internal import Foundation
internal import MPI
internal import Numbers
internal import Output
internal import Plans

/// A bit of the state that was turned on purpose.
package struct TurnedBit: Hashable, Codable, Sendable {
    /// The tensor's name in a checkpoint.
    package var tensor: String
    /// Place in the whole tensor.
    package var index: Int
    package var bit: Int
}

extension Trainer {
    /// Does what `--inject` asks of this rank at the beginning of a step. Nothing is done twice.
    func inject(in step: Int) throws {
        for injection in take(step, where: { $0 != .nan }) {
            switch injection.kind {
            case .flip: say(injection, flip(injection))
            case .slow:
                say(injection, "rank \(injection.rank) sleeps for \(injection.seconds) s")
                Thread.sleep(forTimeInterval: injection.seconds)
            case .fail:
                say(injection, "rank \(injection.rank) fails")
                throw TrainingError.injected(injection.text)
            case .kill: end(injection, "is killed", by: SIGKILL)
            case .stop: end(injection, "is stopped", by: SIGSTOP)
            case .nan: break
            }
        }
    }

    /// Makes gradients of this rank no numbers where `--inject` asks for it.
    func poisonGradients(in step: Int) {
        for injection in take(step, where: { $0 == .nan }) {
            // Of a table only the rows that have gradients are cleared afterwards.
            guard let unit = parameters.units.first(where: { !$0.isFrozen && $0.touched == nil }) else { continue }
            parameters.gradientSlice(unit).update(repeating: .nan, count: parameters.ownRange(unit).count)
            say(injection, "rank \(injection.rank) has gradients that are no numbers")
        }
    }

    private func take(_ step: Int, where isWanted: (Injection.Kind) -> Bool) -> [Injection] {
        guard !injections.isEmpty else { return [] }
        func isDue(_ injection: Injection) -> Bool {
            injection.step == step && injection.rank == world.rank && isWanted(injection.kind)
        }
        let due = injections.filter(isDue)
        injections.removeAll(where: isDue)
        return due
    }

    /// The line tells the launcher, too, what must not be done again at the next start.
    private func say(_ injection: Injection, _ words: String) {
        StandardStreams.error("\(Injection.mark)\(injection.text): \(words) in step \(injection.step) (from 0)\n")
    }

    private func end(_ injection: Injection, _ words: String, by signal: Int32) {
        say(injection, "rank \(injection.rank) \(words)")
        // mpirun passes on only what it has read when the process ends.
        usleep(200_000)
        kill(getpid(), signal)
    }

    /// The tensors, as far as this rank holds them, in which `--inject flip` may turn a bit.
    private func entries(_ injection: Injection) -> (all: [StateDictionary.Entry], count: Int) {
        let found = state.entries.filter { entry in
            entry.count > 0 && (injection.tensor.map { $0 == entry.key } ?? true)
        }
        return (found, found.reduce(0) { $0 + $1.count })
    }

    /// Collective. Refuses, before the run begins, what can never happen.
    /// - Throws: the same on every rank.
    package func checkInjections() throws {
        var problem: String?
        for injection in injections where problem == nil {
            func refuse(_ reason: String) { problem = "--inject \(injection.text): \(reason)" }
            if injection.step >= settings.steps {
                refuse("the run ends before: it has \(settings.steps) steps, from 0 to \(settings.steps - 1)")
            } else if injection.kind == .flip, injection.rank == world.rank {
                let (_, count) = entries(injection)
                if count == 0 {
                    refuse("rank \(injection.rank) holds no \(injection.tensor ?? "state"); rank= names another")
                } else if let element = injection.element, element >= count {
                    refuse("element takes 0 to \(count - 1), of what rank \(injection.rank) holds")
                }
            }
        }
        if let first = try world.firstProblem(problem) { throw TrainingError.noSuchInjection(first) }
    }

    /// Turns one bit of what this rank holds.
    /// - Returns: what was done.
    private func flip(_ injection: Injection) -> String {
        let who = "rank \(injection.rank)"
        let (entries, count) = entries(injection)
        guard count > 0 else { return "\(who) holds no \(injection.tensor ?? "state"), nothing is turned" }
        var random = SplitMix64(seed: SplitMix64.mixed(injection.seed) ^ UInt64(injection.step << 20 ^ injection.rank))
        var place = injection.element ?? Int.random(in: 0..<count, using: &random)
        guard place < count else { return "\(who) holds \(count) elements of it, nothing is turned" }
        for entry in entries {
            guard place >= entry.count else { return turn(entry, place, injection.bit, &random, who) }
            place -= entry.count
        }
        return "nothing is turned"
    }

    private func turn(
        _ entry: StateDictionary.Entry, _ place: Int, _ bit: Int?, _ random: inout SplitMix64, _ who: String
    ) -> String {
        guard let run = ElementRun.part(place..<place + 1, of: entry.runs).first else { return "nothing is turned" }
        let bit = (bit ?? Int.random(in: 0..<8 * entry.format.bytes, using: &random)) % (8 * entry.format.bytes)
        let byte = entry.address(run.local) + bit / 8
        byte.storeBytes(of: byte.load(as: UInt8.self) ^ 1 << UInt8(bit % 8), as: UInt8.self)
        turnedBits.append(TurnedBit(tensor: entry.key, index: run.whole, bit: bit))
        return "\(who): bit \(bit) of element \(run.whole) of \(entry.key) is turned"
    }
}
