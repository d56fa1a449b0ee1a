import Numbers
import Planner
import Plans
import Reading
import Schedules
import TestSupport

/// Values as the command line takes them, and questions without a file.
enum Options {
    static func read(_ random: inout SplitMix64, library: Library) -> Outcome {
        switch random.below(4) {
        case 0: quantity(&random)
        case 1, 2: shape(&random)
        default: question(&random, library)
        }
    }

    private static func number(_ random: inout SplitMix64) -> String {
        random.once(in: 3)
            ? random.pick(Mutation.numbers) : String(random.below(1 << random.below(20)))
    }

    private static func quantity(_ random: inout SplitMix64) -> Outcome {
        let units: [Quantity.Unit] = [
            .count, .bytes, .bytesPerSecond, .gigabits, .flops, .seconds, .share, .watts, .plain,
        ]
        let suffixes = ["", "", " GiB", "GB/s", " TFLOP/s", "d", "%", "W", "T", "µs", " Gb/s", "e5", "_1"]
        let text = number(&random) + random.pick(suffixes)
        do throws(Quantity.Failure) {
            _ = try Count(parsing: text)
            return Outcome(parsed: true, accepted: true)
        } catch {}
        do throws(Quantity.Failure) {
            _ = try Quantity.parse(text, as: random.pick(units))
            return Outcome(parsed: true, accepted: true)
        } catch {
            return Outcome(messages: ["\(error)"])
        }
    }

    private static func shape(_ random: inout SplitMix64) -> Outcome {
        func size() -> Int {
            random.once(in: 6) ? (try? Count(parsing: random.pick(Mutation.numbers)).value) ?? 1 : 1 + random.below(12)
        }
        let name = random.pick(ScheduleName.allCases)
        let shape = PipelineShape(
            ranks: size(), virtualStages: name.fixedVirtualStages ?? size(), microbatches: size(),
            groupSize: random.once(in: 4) ? size() : nil)
        if let rule = name.problem(shape) { return Outcome(parsed: true, messages: [rule]) }
        let actions = Int.product(shape.ranks, shape.virtualStages, shape.microbatches) ?? .max
        // Long lists take as long as they are.
        guard actions < 4096 || actions > ScheduleName.mostActions else { return Outcome(parsed: true, accepted: true) }
        do throws(ScheduleProblem) {
            let schedule = try name.schedule(shape)
            guard (try? schedule.validate()) != nil else {
                return Outcome(parsed: true, messages: ["", "\(name) of \(shape) is not valid"])
            }
            return Outcome(parsed: true, accepted: true)
        } catch {
            return Outcome(parsed: true, messages: [error.description])
        }
    }

    private static func question(_ random: inout SplitMix64, _ library: Library) -> Outcome {
        func count(_ usual: [Int]) -> Int {
            random.once(in: 4) ? (try? Count(parsing: random.pick(Mutation.numbers)).value) ?? 1 : random.pick(usual)
        }
        do throws(PlanProblems) {
            let plan = try Plan.question(
                parameters: random.once(in: 4)
                    ? Double(random.pick(Mutation.numbers)) : random.pick([1e9, 7e9, 13e9, 1e12]),
                modelName: random.once(in: 2) ? random.pick(["llama2-7b", "gpt3-175b", "deepseek-v3", "none"]) : nil,
                tokens: random.once(in: 4) ? Double(random.pick(Mutation.numbers)) ?? 1 : 1e12, gpu: "v100-32g-sxm",
                gpus: count([1, 8, 64, 100]), batch: random.once(in: 2) ? count([8, 64, 512]) : nil,
                sequence: random.once(in: 2) ? count([128, 2048]) : nil, library: library)
            return Pricing.price(plan, &random)
        } catch {
            return Readers.outcome(error)
        }
    }
}
