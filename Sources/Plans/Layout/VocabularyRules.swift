package import Models
package import Reading
internal import Schedules

extension Layout {
    /// Rules of a vocabulary that all ranks of a pipeline divide. Tied tables are those that the authors' code refuses
    /// (`--enable-vocab-parallel requires untie embeddings and output weights`).
    package func vocabularyProblems(_ model: Model) -> [PlanProblem] {
        guard let vocabularyParallel else { return [] }
        func problem(_ rule: String, fix: String) -> PlanProblem {
            PlanProblem(
                .misfit, field: "layout.vocabularyParallel", value: vocabularyParallel.rawValue, rule: rule, fix: fix)
        }
        if model.hasPicture { return [problem("the model has no vocabulary to divide", fix: "remove it")] }
        var problems: [PlanProblem] = []
        if pipeline == 1 {
            problems.append(
                problem(
                    "needs pipeline above 1: the stages divide the vocabulary",
                    fix: "remove it or raise layout.pipeline"))
        }
        if model.tiedEmbeddings {
            problems.append(
                problem(
                    "needs an output projection of its own: tied tables are not divided",
                    fix: "set model.tiedEmbeddings to false"))
        }
        if sharding == .gradients || sharding == .parameters {
            problems.append(
                problem(
                    "is not priced together with sharding \(sharding.rawValue)", fix: "use sharding optimizer or none"))
        }
        return problems
    }
}
