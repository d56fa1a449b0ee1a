internal import Models
internal import Plans

/// Weights that the replicas of a shard gather once a step, because each steps only its part of the shard's optimizer
/// state (Megatron-FSDP, `outer_dp_sharding_strategy: optim`).
enum OuterWeights {
    /// Bytes of a rank's shards of weights that replicas gather, of experts and of all other parameters.
    static func bytes(of share: PipelineShares.Rank, _ work: LayoutWork) -> (dense: Double, experts: Double) {
        guard work.device.shardsOuter else { return (0, 0) }
        return (
            work.state.weight * work.denseParameters(of: share) / Double(work.device.shardGroup.size),
            work.state.weight * work.expertParameters(of: share) / Double(work.device.expertShardGroup.size)
        )
    }

    /// Seconds of the slowest rank. They come before the first gathering within the shard group, which needs them, and are
    /// counted as exposed.
    static func seconds(_ work: LayoutWork) -> Double {
        guard work.device.shardsOuter else { return 0 }
        return work.shares.kinds.indices.reduce(0) { most, kind in
            let own = work.on(kind: kind)
            let bytes = bytes(of: work.shares.kinds[kind].share, own)
            return max(
                most,
                own.device.replicaGroup.gather(bytes: bytes.dense)
                    + own.device.expertReplicaGroup.gather(bytes: bytes.experts))
        }
    }
}
