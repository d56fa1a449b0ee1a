import Models
import Reading
import TestSupport
import Testing

/// Models of images and videos: counts of their owners' code, FLOPs of their papers, tokens of their pictures.
@Suite struct PictureTests {
    private static func shape(_ name: String) throws -> Model { try Model.read(name, library: Checkout.library) }

    /// The number of elements of all tensors of weightless models: timm 1.0.31 (ViT), diffusers 0.42.1 with torch 2.13
    /// (the others). Of Open-Sora: hpcaitech/Open-Sora's MMDiTModel (main) and STDiT3 (v1.2.0). Of DiT-XL/2: facebookresearch/DiT's 675,129,632 without its 256 · 1,152 fixed positions.
    @Test(arguments: [
        ("vit-b-16", 86_567_656), ("vit-l-16", 304_326_632), ("vit-h-14", 630_764_800), ("vit-g-14", 1_012_611_432),
        ("vit-bigg-14", 1_844_440_680), ("dit-xl-2", 675_129_632 - 294_912), ("pixart-xl-2", 610_856_096),
        ("sd3-medium", 2_028_328_000), ("sd3.5-large", 8_056_627_520), ("flux-dev", 11_901_408_320),
        ("hunyuan-video-13b", 12_821_012_544), ("wan-2.1-1.3b", 1_418_996_800), ("wan-2.1-14b", 14_288_491_584),
        ("cogvideox-5b", 5_570_283_072), ("ltx-video-2b", 1_923_385_472),
        ("open-sora-2-11b", 11_891_178_560), ("open-sora-1.2", 1_207_643_936),
    ])
    func parametersAreThoseOfTheOwnersCode(_ name: String, _ count: Int) throws {
        let model = try Self.shape(name)
        #expect(model.parameters().total == count)
        #expect(model.problems.isEmpty)
    }

    /// Dehghani et al. 2023, table 1: 21,743 million parameters in 48 blocks, without small tensors.
    @Test func matricesOfViT22B() throws {
        let blocks = ModelParts(try Self.shape("vit-22b")).blocks
        let weights = blocks.reduce(0.0) { $0 + $1.products.weights }
        #expect(48 * weights == 21_743_271_936)
    }

    /// Multiply-adds of one forward, as the papers call FLOPs: ViT-B/16 17.6 and ViT-L/16 61.6 billion at 224 pixels (Touvron
    /// et al. 2022, DeiT III, table 1), DiT-XL/2 118.64 billion at 256 pixels (Peebles and Xie 2022, table 4).
    @Test(arguments: [("vit-b-16", 17.6e9, 0.05e9), ("vit-l-16", 61.6e9, 0.05e9), ("dit-xl-2", 118.64e9, 0.02e9)])
    func forwardsAreThoseOfThePapers(_ name: String, _ published: Double, _ rounding: Double) throws {
        let flops = FLOPs(model: try Self.shape(name), sequences: 1)
        #expect(abs(flops.required / 6 - published) <= rounding, "\(flops.required / 6)")
        // Nothing is hidden, so nothing is halved.
        #expect(flops.requiredCausal == flops.required)
    }

    /// Tokens as the owners' code makes them: 16 · 16 patches and a class token; 21 latent frames of 30 · 52 patches (Wan,
    /// 32,760 tokens); 33 of 45 · 80 and 256 tokens of text (HunyuanVideo).
    @Test(arguments: [
        ("vit-h-14", 257), ("vit-l-16", 197), ("dit-xl-2", 256), ("sd3-medium", 4096 + 154), ("flux-dev", 4096 + 512),
        ("wan-2.1-14b", 32_760), ("hunyuan-video-13b", 118_800 + 256), ("cogvideox-5b", 17_550 + 226),
        ("ltx-video-2b", 6144), ("open-sora-1.2", 5 * 1024), ("open-sora-2-11b", 33 * 16 * 16 + 512),
    ])
    func tokensFollowFromThePicture(_ name: String, _ tokens: Int) throws {
        let model = try Self.shape(name)
        #expect(model.sequence == tokens && model.vocab == 0 && !model.tiedEmbeddings)
        #expect(!model.isCausal)
    }

    private static let shapes = [
        "vit-b-16", "vit-22b", "dit-xl-2", "pixart-xl-2", "sd3-medium", "flux-dev", "hunyuan-video-13b", "wan-2.1-14b",
        "cogvideox-5b",
    ]

    /// What parts say in one place agrees with what they say in another.
    @Test(arguments: shapes) func partsAgree(_ name: String) throws {
        let model = try Self.shape(name)
        let parts = ModelParts(model)
        let counts = model.parameters()
        var blocks = 0
        for (block, number) in zip(parts.blocks, parts.kinds.counts) {
            let tensors = block.norms.tensors + block.attention.part.tensors + block.feedForward.part.tensors
            blocks += number * tensors.parameters
            #expect(Set(tensors.map(\.name)).count == tensors.count)
            // Every weight of a matrix is multiplied by one product; tables of shared modulation are added.
            let matrices = tensors.filter { $0.shape.count == 2 && !$0.name.contains("table") }
            #expect(block.products.weights == Double(matrices.parameters))
            // Ranks hold as many parameters of a block as the slices of its tensors.
            for ranks in [1, 2, 4] {
                let held = tensors.reduce(0) { $0 + TensorSlice(rank: 0, size: ranks).count($1) }
                #expect(block.parameters.held(tensor: Double(ranks)) == Double(held))
            }
        }
        let ends = parts.embedding.part.tensors + parts.head.part.tensors
        #expect(counts.blocks == blocks && counts.total == blocks + ends.parameters)
        let matrices = ends.filter { $0.name.hasSuffix(".weight") && $0.shape.count >= 2 && $0.name != "wpe.weight" }
        let products = parts.embedding.part.products + parts.head.part.products
        #expect(products.weights == Double(matrices.parameters))
    }

    /// Streams with weights of their own divide the rows, so that a block of two streams computes as much of a token as a
    /// block of one.
    @Test func twoStreamsComputeAsOne() throws {
        var double = try Self.shape("sd3-medium")
        double = double.uniform(double.kinds[0].shape)
        double.block.modulation = 0
        var single = double
        single.block.stream = .single
        #expect(abs(double.activeWeights / single.activeWeights - 1) < 1e-12)
        #expect(double.coreAttention.work(length: 4250) == single.coreAttention.work(length: 4250))
        let (two, one) = (ModelParts(double).blocks[0], ModelParts(single).blocks[0])
        #expect(two.parameters.cut == 2 * one.parameters.cut && two.parameters.whole == 2 * one.parameters.whole)
    }

    /// A cross-attention's keys are the text's, whatever the length of the sequence.
    @Test func crossAttentionSeesTheText() throws {
        let model = try Self.shape("wan-2.1-14b")
        let core = model.coreAttention
        #expect(core.crossWork == 512 * 5120)
        #expect(core.ownWork(length: 32_760) == 32_760 * 5120)
        #expect(core.countedWork(length: 32_760) == core.work(length: 32_760))
    }
}
