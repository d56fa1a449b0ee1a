import Interchange
import Plans
import Reading
import TestSupport
import Testing

/// Constructs of shell scripts: worked out as a shell does, or said.
@Suite struct ShellConstructTests {
    private static func read(_ lines: String, _ more: String) throws -> ImportedPlan {
        try Imported.plan(
            """
            #!/bin/bash
            \(lines)
            torchrun --nproc_per_node 8 pretrain_gpt.py --num-layers 4 --hidden-size 512 --num-attention-heads 8 \
            --seq-length 1024 --max-position-embeddings 1024 --vocab-size 32000 --micro-batch-size 1 \
            --global-batch-size 64 --bf16 --train-iters 10 \(more)

            """, .megatronLM, path: "run.sh")
    }

    /// Lines of a script, and the tensor degree that bash gives `$TP`.
    @Test(arguments: [
        ("TP=2; X=false\n[ \"$X\" = true ] && TP=8", 2), ("TP=2; X=true\n[[ \"$X\" == \"true\" ]] && TP=8", 8),
        ("TP=2; X=true\n[ $X = true ] || TP=8", 2), ("TP=2\ntest 1 -eq 2 || TP=8", 8),
        ("TP=2; A=1; B=2\n[[ $A == 1 && $B == 3 ]] && { TP=8; }", 2),
        ("S=7b\ncase $S in\n 7b) TP=2 ;;\n 13b|30b) TP=4 ;;\n *) TP=8 ;;\nesac", 2),
        ("S=30b\ncase $S in\n 7b) TP=2 ;;\n 13b|30b) TP=4 ;;\n *) TP=8 ;;\nesac", 4),
        ("S=x\ncase $S in 7b) TP=2 ;; *) TP=8 ;; esac", 8), ("TP=1\nfor X in 2 4; do TP=$X; done", 4),
        ("N=4\nTP=$(cat <<EOF\n$N\nEOF\n)", 4), ("read -r -d \"\" TP <<'EOF'\n4\nEOF", 4),
        ("TP=8; unset TP; TP=${TP:-2}", 2), ("Y=1; TP=${Y:+4}", 4), ("Y=tp4; TP=${Y#tp}", 4),
        ("Y=4.sh; TP=${Y%.*}", 4), ("A=(1 2 4); TP=${A[1]}", 2), ("set -- 4 2; TP=$1", 4), ("TP=$(echo 4)", 4),
    ]) func workedOut(_ lines: String, _ tensor: Int) throws {
        #expect(try Self.read(lines, "--tensor-model-parallel-size $TP").plan.layout?.tensor == tensor)
    }

    /// What is not worked out is said with its line.
    @Test(arguments: [
        ("while read X; do CFG=1; done", "line 2: while … done is not worked out"),
        ("for X in $LIST; do CFG=1; done", "line 2: for … done is not worked out"),
        ("add() { CFG=1; }", "line 2: a function is not worked out"), ("eval \"X=1\"", "line 2: eval is not"),
        ("declare -A M", "line 2: declare -A is not worked out"),
        ("Y=a/b\nCFG=${Y/a/b}", "line 3: ${Y/a/b} is not worked out"),
        ("CFG=$(sed s/a/b/ x)", "line 2: the output of $(sed s/a/b/ x) is not known"),
        ("[[ $X == y ]] && CFG=1", "test of line 2 does not hold"),
        ("case $X in a) CFG=1 ;; *) CFG= ;; esac", "case of line 2 takes *)"),
    ]) func said(_ lines: String, _ remark: String) throws {
        let imported = try Self.read(lines, "$CFG")
        let said = imported.inferred.joined(separator: "\n")
        #expect(said.contains(remark), "\(said)")
    }
}
