import Foundation
import Models
import Reading
import TestSupport
import Testing

/// One model of the worked examples, with its parameters part by part.
struct WorkedModel: Sendable, CustomTestStringConvertible {
    var example: String
    var model: String
    var tensor: Int
    var parts: [String: Int]

    var testDescription: String { example }

    static let dense: [WorkedModel] = {
        let path = Checkout.root + "/Tests/Goldens/worked_examples.json"
        guard let data = FileManager.default.contents(atPath: path),
            let root = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
            let examples = root["examples"] as? [String: [String: Any]]
        else { return [] }
        return examples.compactMap { name, example in
            guard let model = example["model"] as? String, !["mixtral-8x7b", "deepseek-v3"].contains(model),
                let parameters = example["parameters"] as? [String: Any],
                let parallel = example["parallel"] as? [String: Any], let tensor = parallel["t"] as? Int
            else { return nil }
            return WorkedModel(
                example: name, model: model, tensor: tensor, parts: parameters.compactMapValues { $0 as? Int })
        }.sorted { $0.example < $1.example }
    }()
}

@Suite struct ModelTests {
    @Test func thereAreDenseExamples() { #expect(WorkedModel.dense.count == 12) }

    @Test(arguments: WorkedModel.dense)
    func parametersEqualTheWorkedExamples(_ worked: WorkedModel) throws {
        let name = worked.model.replacing("-128k", with: "")
        let counts = try Model.read(name, library: Checkout.library).parameters()
        #expect(counts.total == worked.parts["total"])
        #expect(counts.blocks == worked.parts["blocks"])
        #expect(counts.embedding == worked.parts["embedding"])
        #expect(counts.head == worked.parts["output"])
        #expect(counts.positions == worked.parts["position"])
        #expect(counts.finalNorm == worked.parts["final_norm"])
    }

    @Test(arguments: [
        ("llama2-7b", 6_738_415_616), ("llama2-13b", 13_015_864_320), ("llama3-8b", 8_030_261_248),
        ("llama3-70b", 70_553_706_496), ("llama3-405b", 405_853_388_800),
    ])
    func parametersEqualThePublishedCounts(_ name: String, _ total: Int) throws {
        #expect(try Model.read(name, library: Checkout.library).parameters().total == total)
    }

    @Test func gptBlockIsTwelveHiddenSquaredPlusThirteenHidden() {
        let model = Model(family: .gpt, layers: 1, hidden: 384, heads: 6, vocab: 256, sequence: 256)
        #expect(model.parameters().kinds.map(\.total) == [12 * 384 * 384 + 13 * 384])
    }

    @Test(arguments: [(50_257, 1, 50_304), (50_257, 8, 51_200), (51_200, 8, 51_200), (256, 1, 256), (1, 4, 512)])
    func vocabularyIsPaddedAsMegatronDoes(_ vocab: Int, _ tensor: Int, _ padded: Int) {
        let model = Model(family: .gpt, layers: 1, hidden: 8, heads: 1, vocab: vocab, sequence: 8)
        #expect(model.paddedVocab(tensor: tensor) == padded)
    }

    @Test(arguments: [50e6, 125e6, 350e6, 1.3e9, 3e9, 7e9, 13e9, 20e9, 30e9, 70e9, 100e9, 175e9, 405e9, 1e12, 5e12])
    func shapesMeetTheSizeAskedFor(_ parameters: Double) {
        let model = Model.shaped(parameters: parameters)
        let counts = model.parameters()
        #expect(abs(Double(counts.total) / parameters - 1) < 0.01)
        #expect(model.heads * model.headSize == model.hidden)
        #expect(model.heads % model.kvHeads == 0)
        #expect(model.ffn % 256 == 0)
        #expect((2.0...4.5).contains(Double(model.ffn) / Double(model.hidden)))
        if parameters >= 3e9 {
            #expect(model.headSize == 128)
            #expect(model.hidden % 1024 == 0)
        }
        #expect(model.kvHeads == (parameters >= 30e9 ? 8 : model.heads))
    }

    @Test func aHundredBillionLooksLikeThePublishedModels() {
        let model = Model.shaped(parameters: 100e9)
        #expect((70...90).contains(model.layers))
        #expect((9216...11_264).contains(model.hidden))
        #expect(model.vocab == 128_256)
        #expect(model.sequence == 4096)
    }

    @Test func theBatchFollowsPublishedRuns() {
        #expect(Model.defaultBatch(parameters: 70e9, sequence: 4096) == 1024)
        #expect(Model.defaultBatch(parameters: 100e9, sequence: 4096) == 1536)
        #expect(Model.defaultBatch(parameters: 405e9, sequence: 8192) == 2048)
        #expect(Model.defaultBatch(parameters: 1e6, sequence: 100_000_000) == 1)
    }
}
