/// Words of other tools for keys, options and names that are called otherwise here.
package enum Synonyms {
    /// Our word for another tool's `word`: one of `known`, or a path that starts with one of them (`moe.experts`). nil:
    /// there is none.
    package static func ours(_ word: String, among known: [String]) -> String? {
        let candidates = table[folded(word)] ?? []
        return candidates.first { candidate in
            known.contains { candidate == $0 || candidate.hasPrefix($0 + ".") }
        }
    }

    /// The known names that share the most parts with `word`: `H100` finds `h100-80g-sxm`.
    package static func names(like word: String, among known: [String]) -> [String] {
        let parts = parts(word)
        guard !parts.isEmpty else { return [] }
        let matching = known.filter { name in
            let first = self.parts(name).first ?? ""
            return parts.contains { $0 == first } || folded(name).hasPrefix(folded(word)) && folded(word).count >= 3
        }
        func shared(_ name: String) -> Int {
            self.parts(name).filter { part in parts.contains { $0.hasPrefix(part) || part.hasPrefix($0) } }.count
        }
        let most = matching.map(shared).max() ?? 0
        return matching.filter { shared($0) == most }
    }

    private static func parts(_ word: String) -> [String] {
        word.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    private static func folded(_ word: String) -> String {
        word.lowercased().filter { $0 != "-" && $0 != "_" && $0 != " " }
    }

    /// Our words by the folded word of another tool: the field's abbreviations, the keys of Hugging Face's
    /// configurations, the options of Megatron-LM and of common trainers.
    private static let table: [String: [String]] = {
        let lines: [(String, String)] = [
            // Degrees and sharding.
            ("tp tensorparallel tensorparallelsize tensormodelparallelsize tensorparallelism", "tensor layout.tensor"),
            (
                "pp pipelineparallel pipelineparallelsize pipelinemodelparallelsize pipelineparallelism",
                "pipeline layout.pipeline"
            ),
            ("dp dataparallel dataparallelsize dataparallelism replicas", "data layout.data"),
            ("cp contextparallel contextparallelsize ringattention", "context layout.context"),
            ("cpcommtype ulysses", "contextExchange layout.contextExchange"),
            ("hierarchicalcontextparallelsizes ulyssesdegree", "contextHeads layout.contextHeads"),
            ("moetokendispatchertype moeflexdispatcherbackend tokendispatcher", "dispatcher layout.dispatcher"),
            ("moesharedexpertoverlap", "sharedExperts layout.overlap.sharedExperts"),
            ("ep expertparallel expertparallelsize expertmodelparallelsize", "expert layout.expert"),
            ("etp expertmlptensorparallelsize experttensorparallelsize", "expertTensor layout.expertTensor"),
            ("sp", "sequenceParallel layout.sequenceParallel"),
            (
                "vpp vp interleave numlayerspervirtualpipelinestage virtualpipelinemodelparallelsize",
                "virtualStages layout.virtualStages"
            ),
            ("zero zerostage stage", "sharding layout.sharding zero-1"),
            ("zero0 ddp", "none data sharding layout.sharding"),
            ("zero1 distributedoptimizer usedistributedoptimizer", "optimizer zero-1 sharding layout.sharding"),
            ("zero2", "gradients zero-2 sharding layout.sharding"),
            ("zero3 fsdp fsdp2 fullshard", "parameters zero-3 sharding layout.sharding"),
            ("vocabparallel enablevocabparallel vocabularyparallelism", "vocabularyParallel layout.vocabularyParallel"),
            ("outerdpshardingstrategy hfsdp", "outerSharding layout.outerSharding"),
            ("hsdp hybridshard", "fsdp-hybrid shardGroup layout.shardGroup parameters"),
            ("mbs microbatchsize permicrobatch perdevicetrainbatchsize", "microbatch layout.microbatch"),
            ("gradientaccumulationsteps gradaccum gradientaccumulation accumulategradbatches", "accumulation"),
            ("rampbatchsize batchsizerampup batchramp", "rampupBatchSize"),
            ("lorarank loradim dim r", "rank lora.rank hidden model.hidden"), ("loraalpha", "alpha lora.alpha"),
            ("loratarget loratargetmodules targets", "targetModules lora.targetModules"),
            ("peft adapter adapters", "lora"), ("qlora loadin4bit quantizebase quantization", "quantized"),
            ("freeze freezelayers frozenlayers", "frozen"),
            ("packed packsequences packedsequence sequencepacking", "packing"),
            ("gbs globalbatchsize batchsize trainbatchsize", "batch"),
            (
                "activationcheckpointing gradientcheckpointing recomputegranularity activationrecompute",
                "recompute layout.recompute"
            ),
            ("recomputenumlayers", "recomputeLayers layout.recomputeLayers"),
            ("recomputemodules", "recomputeModules layout.recomputeModules"),
            ("recomputemethod", "recomputeMethod layout.recomputeMethod"),
            ("selectiveacoption", "recomputeEvery layout.recomputeEvery"),
            ("pipelinemodelparallellayout", "pipelineLayout layout.pipelineLayout"),
            ("numlayersinfirstpipelinestage", "decoderFirstPipelineNumLayers layout.decoderFirstPipelineNumLayers"),
            ("numlayersinlastpipelinestage", "decoderLastPipelineNumLayers layout.decoderLastPipelineNumLayers"),
            ("flashattn useflashattn attnimplementation", "flashAttention layout.flashAttention"),
            ("dtype torchdtype mixedprecision", "precision"),
            ("gpus numgpus ngpus worldsize nproc", "devices gpus"),
            ("gpu gputype hardware", "cluster gpu"),
            // Shapes: keys of Hugging Face's configurations, and the corresponding options of Megatron-LM.
            ("modeltype", "family model.family"),
            ("numhiddenlayers nlayer nlayers numlayers", "layers model.layers"),
            ("hiddensize nembd dmodel", "hidden model.hidden"),
            ("numattentionheads nhead nheads numheads", "heads model.heads"),
            ("numkeyvalueheads nkvheads numquerygroups", "kvHeads model.kvHeads"),
            ("headdim kvchannels", "headSize model.headSize"),
            ("intermediatesize ffnhiddensize ninner dff ffndim", "ffn model.ffn"),
            ("hiddenact activationfunction hiddenactivation", "mlp model.mlp"),
            ("vocabsize paddedvocabsize", "vocab model.vocab"),
            (
                "maxpositionembeddings npositions nctx seqlength seqlen maxseqlen sequencelength contextlength",
                "sequence model.sequence"
            ),
            ("tiewordembeddings", "tiedEmbeddings model.tiedEmbeddings"),
            ("numlocalexperts nroutedexperts numexperts", "experts moe.experts model.moe.experts"),
            ("numexpertspertok moerouterttopk moeroutertopk", "topK moe.topK model.moe.topK"),
            ("moeintermediatesize moeffnhiddensize", "moe.ffn ffn model.moe.ffn"),
            ("nsharedexperts", "shared moe.shared"),
            ("sharedexpertintermediatesize moesharedexpertintermediatesize", "sharedFfn moe.sharedFfn"),
            ("firstkdensereplace", "firstDense moe.firstDense"),
            ("moelayerfreq decodersparsestep", "every moe.every"),
            ("topkgroup", "nodeLimit moe.nodeLimit"),
            ("qlorarank", "mla.queryRank queryRank"), ("kvlorarank", "kvRank mla.kvRank"),
            ("qknopeheaddim qkheaddim", "nopeSize mla.nopeSize"),
            ("qkropeheaddim qkposembheaddim", "ropeSize mla.ropeSize"),
            ("vheaddim", "mla.valueSize valueSize"),
            // Training.
            ("lr", "learningRate train.learningRate"), ("minlr", "minLearningRate train.minLearningRate"),
            ("warmupsteps lrwarmupiters numwarmupsteps", "warmup train.warmup"),
            ("lrscheduler lrdecaystyle lrschedulertype", "schedule train.schedule"),
            ("adameps adamepsilon epsilon", "eps train.eps"), ("clipgrad maxgradnorm gradclip", "clip train.clip"),
            ("maxsteps trainiters trainsteps numsteps", "steps train.steps"),
            ("dataset datapath traindata", "data train.data"),
        ]
        var table: [String: [String]] = [:]
        for (words, ours) in lines {
            for word in words.split(separator: " ") {
                table[String(word)] = ours.split(separator: " ").map(String.init)
            }
        }
        return table
    }()
}
