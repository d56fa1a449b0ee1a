internal import Plans
package import Reading

/// The reason that a real run cannot start or go on. It is printed as one line.
package enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A file that cannot be read, mapped or written. `reason` is the system's message.
    case file(path: String, reason: String)
    /// A file that could not be written while the run went on: a full disk, a removed folder.
    case write(path: String, reason: String)
    /// A rank could not write its part of a checkpoint; in the words of that rank.
    case saving(String)
    /// No checkpoint can be gone on from; why, one after the other.
    case noCheckpoint([String])
    /// The text to train on changed under the run.
    case textChanged(path: String, reason: String)
    /// Two ranks were started with other inputs. `difference` names them.
    case unlikeRanks(difference: String)
    /// The text to train on cannot be read.
    case text(path: String, reason: String)
    /// The text has fewer tokens than one sequence and its targets need.
    case textTooShort(path: String, tokens: Int, needed: Int)
    /// A file of the corpus that cannot be used, or does not go with the plan.
    case corpus(PlanProblem)
    /// A weights file that does not hold the weights of the plan's model.
    case weights(path: String, reason: String)
    /// Weights of a model that computes something else than the plan's.
    case otherWeights(path: String, field: String, theirs: String, ours: String)
    /// A model's configuration that cannot be read, or describes a model that the runtime does not compute.
    case configuration(PlanProblem)
    /// `mpirun` started another number of processes than the plan's layout has ranks.
    case processCount(actual: Int, needed: Int, layout: String)
    /// No layout of the plan runs in so few processes; why.
    case noLayout(String)
    /// Something the plan asks for that the runtime does not do.
    case unsupported(field: String, value: String, reason: String)
    /// A layout that cannot be run with its model.
    case layout(PlanProblem)
    /// The loss or the gradient norm stopped being a number. `step` counts from 0; the message counts from 1, as the progress
    /// line does.
    case diverged(step: Int, loss: Double, gradientNorm: Double)
    /// An `--inject` that can never happen.
    case noSuchInjection(String)
    /// What a drill asked for with `--inject`.
    case injected(String)
    /// Parts of the state changed by themselves, and no replica has healed them all.
    case corrupted([StateFault])

    /// The first problem of a file of the corpus.
    /// - Parameter key: what names the file in the plan, for a problem of the file as a whole.
    static func corpus(_ problems: PlanProblems, key: String) -> TrainingError {
        var problem = problems.problems.first ?? PlanProblem(field: key, rule: "cannot be used")
        if problem.field.isEmpty { problem.field = key }
        return .corpus(problem)
    }

    package var description: String {
        switch self {
        case .file(let path, let reason): "\(path): \(reason)"
        case .write(let path, let reason):
            "\(path): cannot be written: \(reason)"
        case .saving(let words): words
        case .noCheckpoint(let reasons):
            "no checkpoint is good: \(reasons.joined(separator: "; ")); go on from a copy of one with --resume PATH, if there "
                + "is one elsewhere, or begin again with --overwrite (which removes this run) or in another --folder"
        case .textChanged(let path, let reason):
            "\(path): \(reason) while the run went on; the text must stay as it is"
        case .unlikeRanks(let difference):
            "\(difference); start every rank with the same plan, text, options and program"
        case .text(let path, let reason):
            "\(path): \(reason); train.data names what is trained on, and train.validation.data what is not "
                + "(scripts/fetch-shakespeare.sh fetches the examples' text)"
        case .textTooShort(let path, let tokens, let needed):
            "\(path): \(tokens) bytes of text, at least \(needed) are needed (one sequence and its next token); "
                + "give a longer file or a smaller model.sequence"
        case .weights(let path, let reason): "\(path): \(reason)"
        case .otherWeights(let path, let field, let theirs, let ours):
            "\(path): \(field) is \(theirs) for these weights and \(ours) in the plan; "
                + "state theirs in the plan (a folder gives all: model: {hf: FOLDER}), or start from other weights"
        case .configuration(let problem), .corpus(let problem): problem.description
        case .processCount(let actual, let needed, let layout):
            "started as \(actual) process\(actual == 1 ? "" : "es"), the plan's layout needs \(needed) (\(layout)); "
                + "run mpirun -n \(needed), or change the layout"
        case .unsupported(let field, let value, let reason): "\(field): \(value) cannot be run: \(reason)"
        case .noLayout(let words): words
        case .layout(let problem): problem.description
        case .diverged(let step, let loss, let gradientNorm):
            "step \(step + 1): loss \(loss), gradient norm \(gradientNorm): the run diverged; "
                + "lower train.learningRate, raise train.warmup or set train.clip"
        case .noSuchInjection(let words): words
        case .injected(let words): "failed on purpose (--inject \(words))"
        case .corrupted(let faults):
            StateFault.words(of: faults) + "; no replica and no checkpoint has healed it"
        }
    }
}
