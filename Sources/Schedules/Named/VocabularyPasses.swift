/// 1F1B with the vocabulary divided over the ranks (Yeung et al. 2024, arXiv 2411.05288, section 5; the lists of
/// github.com/sail-sg/VocabularyParallelism, `vocab_parallel_schedule.py`).
///
/// A rank starts with one forward more for each barrier, so that the last stage has work while all ranks finish S (and T).
/// A slot holds the T of one micro-batch and the S of the next, after a backward or after a forward: whichever lets all
/// ranks run the S of a micro-batch at about the same time. The positions are those for backwards of twice a forward's time,
/// which the code assumes until it has measured them.
struct VocabularyPasses {
    private let ranks: Int
    private let microbatches: Int
    private let barriers: Int
    /// For each rank: whether the slot follows a backward in the steady state, and slots before the first backward.
    private let followsBackward: [Bool]
    private let early: [Int]

    init(ranks: Int, microbatches: Int, _ vocabulary: VocabularyParallel) {
        (self.ranks, self.microbatches, barriers) = (ranks, microbatches, vocabulary.barriers)
        // From the last rank to the first: each rank's backward is one forward earlier than the next rank's, until two
        // forwards make a backward. A rank between has its slot after the forward.
        let (forward, backward) = (1, 2)
        var (offset, after) = (0, [true])
        while after.count < ranks {
            if offset - forward >= -backward {
                offset -= forward
                after.append(true)
            } else {
                offset += backward - forward
                after += [false, true]
            }
        }
        followsBackward = after.prefix(ranks).reversed()
        var early = [Int](repeating: 0, count: ranks)
        for rank in stride(from: ranks - 2, through: 0, by: -1) {
            early[rank] = early[rank + 1] + (!followsBackward[rank + 1] && followsBackward[rank] ? 0 : 1)
        }
        self.early = early
    }

    /// The list of one rank.
    func actions(rank: Int) -> [Action] {
        let m = microbatches
        let extra = barriers - 1
        let warmup = min(ranks - rank, m)
        var list: [Action] = []
        list.reserveCapacity(4 * m)
        var (forwards, backwards, slots) = (0, 0, 0)
        func add(_ kind: Action.Kind, _ microbatch: Int) {
            list.append(Action(kind, stage: rank, microbatch: microbatch))
        }
        func forward() {
            guard forwards < m else { return }
            add(.forward, forwards)
            forwards += 1
        }
        func slot() {
            guard slots <= m else { return }
            if slots > 0 { add(.outputGradient, slots - 1) }
            if slots < m { add(.softmax, slots) }
            slots += 1
        }
        /// Vocab-2 leaves the last T to the end: nothing waits for it.
        var slotIsLast: Bool { barriers == 1 && slots == m }

        for _ in 0..<warmup { forward() }
        slot()
        forward()
        if extra > 0 {
            slot()
            forward()
        }
        for _ in 0..<early[rank] where !slotIsLast { slot() }
        for _ in 0..<max(0, m - warmup - barriers) {
            add(.backward, backwards)
            backwards += 1
            if followsBackward[rank] { slot() }
            forward()
            if !followsBackward[rank] { slot() }
        }
        while backwards < m {
            add(.backward, backwards)
            backwards += 1
            if !slotIsLast { slot() }
        }
        slot()
        return list
    }
}
