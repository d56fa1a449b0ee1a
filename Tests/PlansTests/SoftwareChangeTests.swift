import Plans
import Reading
import TestSupport
import Testing

/// Software that a plan changes, property by property.
@Suite struct SoftwareChangeTests {
    private func plan(_ framework: String) throws -> Plan {
        try Plan.read(text: SoftwareNameTests.text(framework), path: "plan.yaml", library: Checkout.library)
    }

    private func software(_ framework: String) throws -> Framework {
        let plan = try plan(framework)
        return plan.framework(for: plan.layout)
    }

    /// Every property in the field's words, as users write them.
    @Test func everyPropertyIsRead() throws {
        let changed = try software(
            """
            {extends: nemo@25.04, attention: flash-2, fusedNorms: no, dispatcher: deepep, cudaGraphs: yes, \
            userBuffers: yes, fusedLoss: yes, expertKernels: grouped}
            """)
        let base = try software("nemo@25.04")
        #expect(base.name == "megatron-core" && changed.bases.first?.name == "megatron-core")
        #expect(changed.portableAttention && changed.attention == 0.7 && base.attention == 1)
        #expect(abs(changed.elementwise / base.elementwise - 1.35) < 1e-12)
        #expect(changed.dispatcher == .deepep)
        #expect(changed.hostForward == 0 && changed.hostBackward == 0 && changed.hostMicrobatch == 1e-4)
        #expect(changed.abilities.tensorOverlap == .userBuffers && changed.logitBytes == 6)
        #expect(changed.experts == base.experts)
        // All else stays.
        #expect(changed.tensorEfficiency == base.tensorEfficiency && changed.hostStep == base.hostStep)
    }

    /// A map or a list where a word or a number stands is one problem, at its own place.
    @Test(arguments: ["fusedNorms", "attention", "elementwise", "dispatcher", "extends", "memory", "assumed"])
    func aListInPlaceOfAWordIsOneProblem(_ key: String) throws {
        for value in ["[]", "{}"] {
            let text = key == "extends" ? "{extends: \(value)}" : "{extends: nemo, \(key): \(value)}"
            let problems = #expect(throws: PlanProblems.self) { try plan(text) }
            #expect(problems?.problems.count == 1, "\(text): \(problems?.description ?? "")")
        }
    }

    /// Software that a written plan was priced on, without being the plan's choice.
    @Test func assumedSoftwareStaysAssumed() throws {
        let plan = try plan("{assumed: torch-fsdp}")
        #expect(plan.frameworks.named == nil && plan.framework(for: plan.layout).name == "torch-fsdp")
        #expect(plan.openKeys.contains(.framework))
        let again = try Plan.read(
            text: plan.yaml(library: Checkout.library), path: "plan.yaml", library: Checkout.library)
        #expect(again.frameworks == plan.frameworks)
        for wrong in ["{assumed: torch-fsdpp}", "{assumed: torch-fsdp, attention: flash-2}", "{assumed: []}"] {
            let problems = #expect(throws: PlanProblems.self) { try self.plan(wrong) }
            #expect(problems?.problems.count == 1, "\(problems?.description ?? "")")
        }
    }

    /// A property that is what it was changes nothing, and one turned round twice comes back.
    @Test(arguments: ["fusedNorms: yes", "cudaGraphs: no", "compiled: no", "expertKernels: grouped"])
    func whatItHasAlreadyChangesNothing(_ property: String) throws {
        let (base, changed) = (try software("megatron-core"), try software("{extends: megatron-core, \(property)}"))
        for constant in Framework.Constant.allCases { #expect(changed[constant] == base[constant]) }
    }

    @Test func constantsAreStatedOneByOne() throws {
        let changed = try software("{extends: torch-fsdp, hostStep: 3 ms, elementwise: 1.7, compiled: true}")
        #expect(changed.hostStep == 3e-3)
        // A stated constant is not changed by a property.
        #expect(changed.elementwise == 1.7)
        let compiled = try software("{extends: torch-fsdp, compiled: true}")
        let eager = try software("torch-fsdp")
        #expect(abs(compiled.elementwise / eager.elementwise - 0.66) < 1e-12)
        #expect(try software("{extends: megatron-core, compiled: yes}").elementwise == 1)
        let sequential = try software("{extends: megatron-core, expertKernels: sequential}")
        #expect(abs(sequential.experts - 0.59) < 1e-12)
    }

    /// The answer names what the plan changes, and a written plan reads back to the same software.
    @Test func theChangeIsNamedAndWritten() throws {
        let plan = try plan("{extends: nemo@25.04, cudaGraphs: yes, hostStep: 3 ms}")
        let software = plan.framework(for: plan.layout)
        #expect(plan.frameworks.words(for: software) == "nemo@25.04 with cudaGraphs: yes, hostStep: 3 ms")
        let written = plan.yaml(library: Checkout.library)
        let read = try Plan.read(text: written, path: "plan.yaml", library: Checkout.library)
        #expect(read.framework(for: read.layout) == software, "\(written)")
        #expect(try self.software("{extends: nemo@25.04}").name == "megatron-core")
    }

    @Test(arguments: [
        ("{attention: flash-2}", "framework.extends: is missing"),
        ("{extends: auto}", "framework.extends: must be a name or a file"),
        ("{extends: nmeo}", "framework.extends: no software of that name in frameworks/"),
        ("{extends: nemo, atention: flash-2}", "framework.atention: unknown key; did you mean 'attention'?"),
        ("{extends: nemo, attention: flash-9}", "framework.attention: must be flash-1, flash-2, flash-3 or cudnn"),
        ("{extends: nemo, attention: 7}", "framework.attention: must be"),
        ("{extends: nemo, cudaGraphs: maybe}", "framework.cudaGraphs: must be true or false"),
        ("{extends: nemo, can: {sharding: [none]}}", "framework.can: must be a single value in a plan"),
        ("{extends: nemo, name: mine}", "framework.name: is a key of framework files"),
        ("[nemo]", "framework: must be a name, the path of a framework file or a map"),
    ])
    func saysWhatIsWrong(_ framework: String, _ said: String) throws {
        let problems = #expect(throws: PlanProblems.self) { try plan(framework) }
        #expect(problems?.description.contains(said) == true, "\(problems?.description ?? "")")
    }
}
