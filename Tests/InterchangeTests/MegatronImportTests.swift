import Foundation
import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Runs of Megatron-LM read as plans: scripts, lists of arguments, logs.
@Suite struct MegatronImportTests {
    private func read(_ text: String, devices: Int? = nil, vocab: Int? = nil) throws(PlanProblems) -> ImportedPlan {
        try ImportFormat.megatronLM.read(
            text: text, path: "run.sh", request: ImportRequest(devices: devices, vocab: vocab),
            library: Checkout.library)
    }

    private func problems(_ text: String, devices: Int? = nil) -> [String] {
        do throws(PlanProblems) {
            _ = try read(text, devices: devices)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private static let small = """
        --num-layers 4 --hidden-size 512 --num-attention-heads 8 --seq-length 1024
        --max-position-embeddings 1024 --vocab-size 50257 --micro-batch-size 2 --global-batch-size 64 --bf16
        """

    @Test func listsOfArguments() throws {
        let plan = try read(
            Self.small + """

                --tensor-model-parallel-size 2 --sequence-parallel   # a comment
                --pipeline-model-parallel-size=2 --num-virtual-stages-per-pipeline-rank 2
                --use-distributed-optimizer --overlap-grad-reduce --recompute-activations
                --train-iters 1000
                """, devices: 16
        ).plan
        let layout = try #require(plan.layout)
        #expect(plan.model.ffn == 2048)
        #expect(plan.model.family == .gpt && plan.model.tiedEmbeddings)
        #expect((layout.data, layout.tensor, layout.pipeline, layout.virtualStages) == (4, 2, 2, 2))
        #expect(layout.sequenceParallel && layout.overlap.data)
        #expect(layout.sharding == .optimizer && layout.recompute == .selective)
        #expect(plan.tokens == 65_536_000)
        #expect(plan.precision == .bf16)
    }

    /// Mixtral 8x7B as its publication has it: 46,702,792,704 parameters.
    @Test func scriptsWithListsAndArithmetic() throws {
        let imported = try read(
            """
            #!/bin/bash
            GPUS_PER_NODE=8
            NNODES=${SLURM_NNODES:-"16"}
            WORLD_SIZE=$(($GPUS_PER_NODE*$NNODES))
            DISTRIBUTED=(
                --nproc_per_node $GPUS_PER_NODE --nnodes $NNODES
            )
            MODEL=(
                --num-layers 32 --hidden-size 4096 --ffn-hidden-size $((2 * 7168)) --num-attention-heads 32
                --group-query-attention --num-query-groups 8 --swiglu --normalization RMSNorm
                --position-embedding-type rope --untie-embeddings-and-output-weights --disable-bias-linear
                --seq-length 4096 --max-position-embeddings 32768
                --num-experts 8 --moe-router-topk 2 --moe-token-dispatcher-type alltoall
            )
            OTHER=( --tokenizer-type Llama2Tokenizer --tokenizer-model ${TOKENIZER} --bf16 )
            if [ -n "${WANDB_API_KEY}" ]; then OTHER+=( --wandb-project mixtral ); fi
            if [[ "$NNODES" == "16" ]]; then
                OTHER+=(--tensor-model-parallel-size 1 --pipeline-model-parallel-size 4
                        "--expert-model-parallel-size 8")
            else
                OTHER+=(--tensor-model-parallel-size 7)
            fi
            torchrun ${DISTRIBUTED[@]} pretrain_gpt.py ${MODEL[@]} ${OTHER[@]} \\
                --micro-batch-size 1 --global-batch-size 256 --train-iters 500000 > log.txt 2>&1
            """)
        let plan = imported.plan
        let layout = try #require(plan.layout)
        #expect(plan.model.parameters().total == 46_702_792_704)
        #expect(plan.devices == 128 && layout.data == 32 && layout.expert == 8)
        #expect(layout.pipeline == 4 && layout.tensor == 1)
        #expect(imported.inferred.contains { $0.contains("model.vocab 32000") })
    }

    /// A command that stands in one text, as those do that a scheduler is handed.
    @Test func commandsInsideTexts() throws {
        let plan = try read(
            """
            options=" \\
                --num-layers 4 --hidden-size 512 --num-attention-heads 8 \\
                --seq-length 1024 --vocab-size 1000 --micro-batch-size 2 --global-batch-size 64"
            run_cmd="python -u ${DIR}/pretrain_gpt.py ${options} --fp16"
            srun -l --container-image img sh -c "${run_cmd}"
            """, devices: 8
        ).plan
        #expect(plan.precision == .fp16 && plan.model.layers == 4 && plan.batch == 64)
    }

    /// The parsed object as a log prints it, and the steps behind it.
    @Test func logs() throws {
        var log = """
            using world size: 16, data-parallel size: 4
             0: ------------------------ arguments ------------------------
             0:   add_bias_linear ................................. False
               bf16 ............................................ True
               context_parallel_size ........................... 1
               ffn_hidden_size ................................. 1408
               fp8 ............................................. None
               global_batch_size ............................... 64
               group_query_attention ........................... False
               hidden_size ..................................... 512
               micro_batch_size ................................ 2
               normalization ................................... RMSNorm
               num_attention_heads ............................. 8
               num_layers ...................................... 4
               num_query_groups ................................ 1
               overlap_p2p_comm ................................ False
               padded_vocab_size ............................... 50304
               pipeline_model_parallel_size .................... 2
               position_embedding_type ......................... rope
               seq_length ...................................... 1024
               swiglu .......................................... True
               tensor_model_parallel_size ...................... 2
               transformer_impl ................................ local
               untie_embeddings_and_output_weights ............. True
               use_flash_attn .................................. False
               vocab_size ...................................... None
               world_size ...................................... 16
            -------------------- end of arguments ---------------------

            """
        for milliseconds in [900.0, 310, 300, 301, 299, 300] {
            log += " iteration 1/ 10 | elapsed time per iteration (ms): \(milliseconds) | loss: 1\n"
        }
        let plan = try read(log).plan
        #expect(plan.devices == 16 && plan.layout?.data == 4 && plan.layout?.tensor == 2)
        #expect(plan.model.vocab == 50304 && plan.model.family == .llama && plan.model.ffn == 1408)
        #expect(plan.model.kvHeads == 8)
        #expect(plan.measured?.seconds == 0.3)
        #expect(plan.layout?.overlap.pipeline == true && plan.layout?.flashAttention == false)
    }

    /// DeepSeek-V2's blocks of experts behind a dense one, with a list of ones and zeros.
    @Test func expertPatterns() throws {
        let base = Self.small + " --num-experts 4 --moe-token-dispatcher-type alltoall "
        let first = try read(base + "--moe-layer-freq '([0]*1+[1]*3)'", devices: 4).plan.model
        #expect((0..<4).map(first.hasExperts) == [false, true, true, true])
        #expect(first.moe?.firstDense == 1)
        // An integer is every n-th block from the first.
        let second = try read(base + "--moe-layer-freq 2", devices: 4).plan.model
        #expect((0..<4).map(second.hasExperts) == [true, false, true, false])
        let list = try read(base + "--moe-layer-freq [0,1,1,0]", devices: 4).plan.model
        #expect((0..<4).map(list.hasExperts) == [false, true, true, false])
        #expect(
            problems(base + "--moe-layer-freq [0,1]", devices: 4).first?.contains("list of 4 ones and zeros") == true)
    }

    /// The expert tensor degree follows the tensor degree unless it is stated, as in Megatron-Core.
    @Test func expertTensorFollowsTensor() throws {
        let base = Self.small + " --num-experts 4 --tensor-model-parallel-size 2 --moe-token-dispatcher-type alltoall "
        #expect(try read(base, devices: 4).plan.layout?.expertTensor == 2)
        #expect(try read(base + "--expert-tensor-parallel-size 1", devices: 4).plan.layout?.expertTensor == 1)
    }

    /// Half blocks of Mamba, attention and networks: the letters of `--hybrid-layer-pattern`.
    @Test func hybridPatterns() throws {
        let model = try read(
            """
            --hybrid-layer-pattern M-M*- --hidden-size 512 --num-attention-heads 8 --seq-length 1024
            --position-embedding-type none --vocab-size 1000 --micro-batch-size 1 --global-batch-size 4
            --mamba-head-dim 64 --mamba-state-dim 128
            """, devices: 4
        ).plan.model
        #expect(model.layers == 5)
        #expect((0..<5).map { model.shape(ofBlock: $0).mixer != nil } == [true, false, true, false, false])
        #expect(model.shape(ofBlock: 1).halves == .feedForward && model.shape(ofBlock: 3).halves == .attention)
    }

    @Test func windowsOfSomeBlocks() throws {
        let model = try read(Self.small + " --window-size 127,0 --window-attn-skip-freq 2", devices: 4).plan.model
        #expect((0..<4).map { model.shape(ofBlock: $0).window } == [128, nil, 128, nil])
    }

    /// Scripts of Megatron-LM 2 are priced on it, without fused attention.
    @Test func oldScripts() throws {
        let plan = try read(Self.small + " --checkpoint-activations --DDP-impl local", devices: 4).plan
        #expect(plan.frameworks.named == "megatron-2021")
        #expect(plan.layout?.recompute == .full && plan.layout?.flashAttention == false)
    }

    @Test(arguments: [
        ("--num-layrs 4", "run.sh:3:1: --num-layrs: unknown argument; did you mean --num-layers?"),
        ("--hidden-size 1024", "run.sh:3:1: --hidden-size: contradicts --hidden-size on line 1"),
        ("--hidden-size 512", "run.sh:3:1: --hidden-size: is given twice, first on line 1"),
        ("--fp16", "run.sh:3:1: --fp16: contradicts --bf16"),
        ("--tensor-model-parallel-size 3", "do not divide 16 devices"),
        ("--tensor-model-parallel-size two", "must be a whole number from 1 to 10,000,000 (found 'two')"),
        ("--num-virtual-stages-per-pipeline-rank 2", "virtualStages"),
        ("--train-iters 10 --train-samples 640", "contradicts --train-iters"),
        ("--recompute-granularity some", "must be full or selective"),
        ("--tensor-model-parallel-size", "has no value"),
        ("--position-embedding-type relative", "is not known here"),
        ("--num-layers-per-virtual-pipeline-stage 3 --pipeline-model-parallel-size 2", "does not divide the 4 blocks"),
    ]) func wrongLists(_ added: String, _ message: String) {
        let found = problems(Self.small + "\n" + added, devices: 16)
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }

    /// A switch that stands there twice changes nothing: it is said, and no mistake.
    @Test func repeatedSwitches() throws {
        let imported = try read(Self.small + "\n--swiglu\n--swiglu", devices: 4)
        #expect(imported.inferred.contains { $0.contains("--swiglu is given twice, on lines 3 and 4") })
    }

    @Test func everythingMissingIsNamedAtOnce() {
        let found = problems("--bf16 --swiglu --hidden-size 512", devices: 4)
        for flag in ["--num-layers", "--num-attention-heads", "--seq-length", "--vocab-size", "--micro-batch-size"] {
            #expect(found.contains { $0.contains(flag) }, "\(flag) in \(found)")
        }
    }

    @Test(arguments: [
        "", "#!/bin/bash\necho hello\n", "$((((((", "A=(\n", "if [ x", "\"", "${A", "--", "a: b\n", "<<EOF\nx",
    ])
    func otherTextsAreRefused(_ text: String) {
        #expect(!problems(text, devices: 4).isEmpty)
    }

    /// A mistake that only the plan's own rules know is told at the argument it came from.
    @Test func rulesOfThePlanPointAtTheFile() {
        let found = problems(Self.small + "\n--pipeline-model-parallel-size 8", devices: 16)
        #expect(
            found.contains { $0.hasPrefix("run.sh:3:1: --pipeline-model-parallel-size (layout.pipeline)") }, "\(found)")
    }

    /// Files that a script sources are read beside it, however it finds its own folder; others are not there.
    @Test(arguments: [
        "source sizes.sh", ". ./sizes.sh", "source $(dirname $0)/sizes.sh", "source \"${HERE}/sizes.sh\"",
    ])
    func sourcedFiles(_ statement: String) throws {
        let folder = try TemporaryFolder()
        try folder.write("source deeper/more.sh\nSIZES=(--num-layers 8 --hidden-size 1024 $HEADS)\n", as: "sizes.sh")
        try FileManager.default.createDirectory(atPath: folder["deeper"], withIntermediateDirectories: true)
        try folder.write("HEADS='--num-attention-heads 16'\nsource deeper/more.sh\n", as: "deeper/more.sh")
        let script = """
            HERE=$(cd "$(dirname "$0")" && pwd)
            source /opt/nowhere/environment.sh
            \(statement)
            torchrun --nproc_per_node 8 pretrain_gpt.py ${SIZES[@]} --seq-length 1024 \\
              --max-position-embeddings 1024 --micro-batch-size 1 --global-batch-size 64 --vocab-size 1000
            """
        let path = try folder.write(script, as: "run.sh")
        let plan = try ForeignFile(format: .megatronLM, text: script, name: path).read().plan
        #expect(plan.model.layers == 8 && plan.model.hidden == 1024 && plan.model.heads == 16 && plan.devices == 8)
    }

    private static let sizes = """
        --num-layers 8 --hidden-size 1024 --num-attention-heads 16 --seq-length 1000 --max-position-embeddings 1000
        --micro-batch-size 1 --vocab-size 1000 --train-samples 1000000
        """

    /// Batches by tokens: K, M, B and T stand for thousands and more.
    @Test(arguments: [
        ("'0:64 1M:128'", 128, BatchRampup(start: 64, increment: 64, samples: 1000) as BatchRampup?),
        ("0:64,0.5M:128,1M:192", 192, BatchRampup(start: 64, increment: 64, samples: 1000)),
        ("0:64,1M:128,3M:192", 192, nil), ("0:256", 256, nil),
        ("0:1,1M:2,2M:100000000", 100_000_000, nil),
    ]) func schedulesOfBatches(_ schedule: String, _ batch: Int, _ growth: BatchRampup?) throws {
        let imported = try read("\(Self.sizes)\n--step-batch-size-schedule \(schedule)\n", devices: 8)
        #expect(imported.plan.batch == batch && imported.plan.rampup == growth)
        #expect(imported.left.isEmpty == (growth != nil || batch == 256))
    }

    @Test(arguments: [
        ("1K:64", "is no schedule of batches"), ("0:64,0:128", "is no schedule of batches"),
        ("0:64,x:128", "is no schedule of batches"), ("0:0", "is no schedule of batches"),
        ("0:64\n--global-batch-size 64", "contradicts --step-batch-size-schedule"),
        ("0:64,1e400:128", "is no schedule of batches"), ("0:nan", "is no schedule of batches"),
    ]) func wrongSchedulesOfBatches(_ schedule: String, _ rule: String) {
        do throws(PlanProblems) {
            _ = try read("\(Self.sizes)\n--step-batch-size-schedule \(schedule)\n", devices: 8)
            Issue.record("\(schedule) was read")
        } catch {
            #expect(error.problems.count == 1 && error.problems[0].description.contains(rule), "\(error)")
        }
    }

    /// A setting that a log prints as None is not there.
    @Test func logsSayNone() throws {
        let sizes = [
            "num_layers": "8", "hidden_size": "1024", "num_attention_heads": "16", "seq_length": "1024",
            "max_position_embeddings": "1024", "micro_batch_size": "1", "global_batch_size": "64", "world_size": "8",
            "padded_vocab_size": "1024", "train_iters": "100", "rampup_batch_size": "None", "bf16": "True",
        ]
        let lines = sizes.sorted { $0.key < $1.key }.map { "  \($0.key) ................ \($0.value)" }
        let log =
            "------------------------ arguments ------------------------\n" + lines.joined(separator: "\n")
            + "\n-------------------- end of arguments ---------------------\n"
        #expect(try read(log, vocab: 1000).plan.tokens == 100 * 64 * 1024)
    }

    @Test(arguments: [
        ("pretrain_t5.py", "trains an encoder and a decoder"), ("examples/pretrain_vlm.py", "trains a model of images"),
    ]) func otherModels(_ program: String, _ rule: String) {
        do throws(PlanProblems) {
            _ = try read("torchrun \(program) \(Self.sizes.replacing("\n", with: " "))\n", devices: 8)
            Issue.record("\(program) was read")
        } catch {
            #expect(error.problems.contains { $0.description.contains(rule) }, "\(error)")
        }
    }

    /// The first of the arguments that begin so is the nearest where a word is cut off.
    @Test func cutArguments() {
        do throws(PlanProblems) {
            _ = try read("\(Self.sizes)\n--global-batch-siz 64\n--tensor-model-par 2\n", devices: 8)
            Issue.record("both were read")
        } catch {
            let text = error.problems.map(\.description).joined(separator: "\n")
            #expect(text.contains("--global-batch-size") && text.contains("--tensor-model-parallel-size"), "\(text)")
        }
    }

    /// Full recomputation of no block, as AMD's examples write it, recomputes nothing.
    @Test func recomputationOfNoBlock() throws {
        let more = "--recompute-granularity full --recompute-method block --recompute-num-layers 0"
        let plan = try read("\(Self.sizes)\n--global-batch-size 64\n\(more)\n", devices: 8).plan
        #expect(plan.layout?.recompute == Layout.Recompute.none)
    }
}
