import Models
import Plans
import Reading
import TestSupport
import Testing

/// Plans of images and videos: what follows from a picture, and what contradicts it.
@Suite struct PictureRuleTests {
    private static let vit =
        "{family: gpt, layers: 4, hidden: 256, heads: 4, image: {height: 224, width: 224, patch: 14}"

    private func problems(_ model: String, layout: String = "{}") -> [String] {
        PlanText.problems("model: \(model)\ncluster: a100-80g-sxm\nbatch: 8\nlayout: \(layout)\n")
    }

    private func plan(_ model: String, layout: String = "{}", more: String = "") throws -> Plan {
        try PlanText.read("model: \(model)\ncluster: a100-80g-sxm\nbatch: 8\nlayout: \(layout)\n\(more)\n")
    }

    @Test func aPictureGivesTheTokens() throws {
        let model = try plan(Self.vit + "}").model
        #expect(model.sequence == 256 && model.vocab == 0 && !model.tiedEmbeddings && !model.block.causal)
        #expect(try plan(Self.vit + ", sequence: 256}").model == model)
        // A mask may be stated, as in autoregressive models of images.
        #expect(try plan(Self.vit + ", causal: true}").model.isCausal)
    }

    /// A file that changes a named shape states what differs.
    @Test func aNamedShapeMayHaveAnotherPicture() throws {
        let model = try plan("{name: wan-2.1-14b, video: {frames: 121, height: 720, width: 1280}}").model
        #expect(model.sequence == 31 * 45 * 80 && model.video?.channels == 16)
        let shapes = try plan("{name: wan-2.1-14b}").model
        #expect(model.parameters().total == shapes.parameters().total)
    }

    @Test func samplesAreTheLengthOfARun() throws {
        #expect(try plan(Self.vit + "}", more: "samples: 1M").tokens == 256e6)
        #expect(
            PlanText.problems("model: \(Self.vit)}\ncluster: a100-80g-sxm\nlayout: {}\ntokens: 5\nsamples: 5\n")
                .contains { $0.contains("samples: a run is as long as its tokens or as its samples, not both") })
    }

    /// What no formula describes together: both features keep their own.
    @Test func adaptersAndPackedSamplesAreRefused() throws {
        func problems(_ model: String, _ more: String) -> [String] {
            PlanText.problems("model: \(model)\ncluster: a100-80g-sxm\nbatch: 8\nlayout: {}\n\(more)\n")
        }
        let keys = [
            "lora: {rank: 8}", "frozen: [embedding]", "frozen: [layers 0-1]\nquantized: nf4",
            "packing: {documents: 64}", "padding: 0.1",
        ]
        for lines in keys {
            let last = lines.split(separator: "\n").last?.split(separator: ":").first ?? ""
            let found = problems(Self.vit + "}", lines)
            #expect(
                found.contains {
                    $0.hasSuffix("\(last): model.image with \(last) is not priced (found (given)); remove \(last)")
                }, "\(found)")
        }
        #expect(
            problems("wan-2.1-14b", "lora: {rank: 8}").contains { $0.contains("model.video with lora is not priced") })
        let text = "{family: gpt, layers: 4, hidden: 256, heads: 4, vocab: 512, sequence: 64"
        #expect(
            problems(text + ", parallel: fused}", "frozen: [norms]").contains {
                $0.contains("model.parallel: fused with frozen is not priced")
            })
        #expect(
            problems(text + "}", "samples: 1K\npadding: 0.1").contains {
                $0.contains("samples with padding is not priced")
            })
        // Without a mask, adapters and documents are priced.
        #expect(problems(text + ", causal: false}", "lora: {rank: 8}\npacking: {documents: 16}").isEmpty)
        #expect(problems(Self.vit + "}", "accumulation: 8").isEmpty)
    }

    /// Every file with a picture that is written is read again to the same plan.
    @Test(arguments: [
        "vit-l-16", "dit-xl-2", "sd3-medium", "flux-dev", "hunyuan-video-13b", "wan-2.1-14b", "cogvideox-5b",
    ])
    func writtenPlansAreReadAgain(_ name: String) throws {
        var written = try plan("{name: \(name)}")
        #expect(try PlanText.read(written.yaml(library: Checkout.library)).model == written.model)
        written.model.name = nil
        #expect(try PlanText.read(written.yaml(library: Checkout.library)).model == written.model)
    }

    @Test(arguments: [
        (vit + ", sequence: 128}", "model.sequence: must be the 256 tokens that an image of 224 × 224 pixels"),
        (vit + ", vocab: 1000}", "model.vocab: images and videos have no vocabulary (found 1000); remove vocab"),
        (
            vit + ", video: {frames: 4, height: 224, width: 224, patch: 14}}",
            "model.video: a model has an image or a video"
        ),
        (vit + ", text: {tokens: 8, width: 64}}", "model.text: no block reads it"),
        (vit + ", crossAttention: {norm: none}}", "model.crossAttention: needs a text to attend to"),
        (vit + ", stream: double}", "model.stream: needs a text in the sequence (found double)"),
        (vit + ", modulation: 6}", "model.modulation: needs a condition to compute its vectors from"),
        (
            vit + ", classes: 10, diffusion: {scalars: 1}}",
            "model.classes: a model tells classes or gives patches, not both"
        ),
        (
            vit + ", text: {tokens: 8, width: 64}, stream: single, crossAttention: {norm: none}}",
            "model.stream: a text joins the sequence or is read by cross-attention, not both"
        ),
        (
            vit + ", text: {tokens: 8, width: 64, projection: none}, stream: single}",
            "model.text.projection: a text that joins the sequence has rows of hidden 256 numbers"
        ),
        (
            vit + ", text: {tokens: 8, width: 64}, stream: lastDouble}",
            "model.stream: is for the last block: the text's rows end there"
        ),
        (
            vit + ", text: {tokens: 8, width: 64}, stream: double, causal: true}",
            "model.causal: image and text of two streams see each other"
        ),
        (
            vit + ", text: {tokens: 8, width: 64}, stream: double, parallel: oneNorm}",
            "model.parallel: blocks of two streams have their halves one after the other"
        ),
        (
            vit + ", text: {tokens: 8, width: 64, projection: mlp, refinerLayers: 2}, stream: single}",
            "model.text.refinerLayers: goes with the projection linear"
        ),
        (
            "{family: gpt, layers: 1, hidden: 256, heads: 4, image: {height: 224, width: 224, patch: 14}, text: {tokens: 8, width: 64}, stream: lastDouble, norms: both}",
            "model.norms: the text's rows end before a norm behind a half"
        ),
        (
            vit + ", diffusion: {scalars: 1, sharedModulation: true}}",
            "model.diffusion.sharedModulation: needs blocks with modulation"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, image: {height: 224, width: 220, patch: 14}}",
            "model.image.patch: must divide width 220 (found 14); or width: 210 or 224"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, image: {width: 224, patch: 14}}",
            "model.image.height: is needed: patches are cut from it"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, image: {height: 60, width: 64, patch: 2, compression: 8}}",
            "model.image.height: must be a multiple of compression 8 (found 60); 48 or 64"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, video: {frames: 18, height: 64, width: 64, patch: [1, 2, 2], compression: [4, 8, 8]}}",
            "model.video.frames: must be a multiple of compression 4, or one frame more (found 18); 16 or 20"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, image: {height: 64, width: 64, patch: [1, 2, 3, 4]}}",
            "model.image.patch: must be one number, or height and width, or frames, height and width (found 4 numbers)"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, image: {height: 64, width: 64, patch: [2, 2, 2]}}",
            "model.image.patch: an image has height and width alone"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, image: {height: 1000000, width: 1000000}}",
            "model.image: makes more than the 100,000,000 tokens of a sequence"
        ),
        (
            "{family: gpt, layers: 4, hidden: 256, heads: 4, vocab: 512, sequence: 64, classes: 10}",
            "model.classes: needs an image or a video"
        ),
        ("{name: vit-l-16, image: none, classes: none}", "model.vocab: a model of text needs a vocabulary"),
    ])
    func whatContradictsIsRefused(_ model: String, _ said: String) {
        let lines = problems(model)
        #expect(lines.contains { $0.contains(said) }, "\(lines)")
    }

    @Test(arguments: [
        ("vit-l-16", "{tensor: 2, sequenceParallel: true}", "must divide model.sequence 197"),
        ("dit-xl-2", "{context: 3}", "layout.context: must divide model.sequence 256 (found 3); use 2 or 4"),
        ("dit-xl-2", "{tensor: 3}", "layout.tensor: must divide model.heads 16"),
        ("sd3-medium", "{context: 10}", "context 10 must divide the text's 154 tokens: image and text are cut apart"),
    ])
    func layoutsDivideThePicture(_ name: String, _ layout: String, _ said: String) {
        let lines = problems("{name: \(name)}", layout: layout)
        #expect(lines.contains { $0.contains(said) }, "\(lines)")
    }

    /// Without a mask no rank needs an early and a late piece of the sequence.
    @Test func contextNeedsNoPairsOfPieces() {
        #expect(problems("{name: wan-2.1-1.3b}", layout: "{context: 8}") == [])
    }
}
