internal import Plans

/// Writes a JobSet of Kubernetes.
enum JobSetExport: Launcher {
    static let target = ExportTarget.jobset

    static func takesSmallerLastNode(_ software: JobSoftware) -> Bool { false }

    static func refuse(_ plan: Plan, _ software: JobSoftware, _ gaps: inout [ExportGap]) {
        guard software == .trainyard else { return }
        gaps.append(
            ExportGap(
                "train", "(given)",
                "trainyard-train is started by mpirun, which a JobSet does not have; mpijob and trainjob do"))
    }

    static func files(of job: LaunchedJob) -> [ExportedFile] {
        guard case .megatronLM(let run) = job.program else { return [] }
        // The pods are NAME-node-0-INDEX-XXXXX, and DNS labels.
        let name = JobName.label(job.name, most: 63 - "-node-0-\(job.nodes - 1)-abcde".count)
        return [ExportedFile("jobset.yaml", text(job, run, name))]
    }

    private static func text(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        let environment =
            run.environment + [("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "800"), ("PYTHONUNBUFFERED", "1")]
        return """
            \(BatchText.comments(job.comments))#
            # JobSet (kubernetes-sigs/jobset, v1alpha2): \(job.words("pod", "GPU")), a torchrun in each.
            #   kubectl apply -f jobset.yaml && kubectl logs -f job/\(name)-node-0
            # Yours: the image (PyTorch, with Megatron-LM in /opt/megatron-lm), and the claim.
            \(PodText.limit(job))
            apiVersion: jobset.x-k8s.io/v1alpha2
            kind: JobSet
            metadata:
              name: \(name)
            spec:
              network:
                enableDNSHostnames: true # pods reach one another as \(name)-node-0-INDEX.\(name)
                publishNotReadyAddresses: true
              failurePolicy:
                maxRestarts: \(job.limit.restarts) # a failed pod starts all again; they go on from the newest checkpoint
                restartStrategy: BlockingRecreate # the old pods have left their GPUs before the new ones start
              replicatedJobs:
                - name: node
                  replicas: 1
                  template:
                    spec:
                      parallelism: \(job.nodes)
                      completions: \(job.nodes)
                      completionMode: Indexed # gives each pod its index
                      backoffLimit: 0 # no pod starts again alone
                      template:
                        spec:
                          restartPolicy: Never
                          terminationGracePeriodSeconds: 900 # time for the checkpoint that SIGTERM asks for
                          containers:
                            - name: megatron # \(job.device)
                              image: megatron-lm:latest
                              workingDir: /opt/megatron-lm
                              env:
                                - name: PET_NODE_RANK # torchrun's --node-rank
                                  valueFrom:
                                    fieldRef: {fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']"}
                                # PyTorch 2.12 and later wait so long for a checkpoint; 30 s before.
            \(PodText.environment(environment, depth: 20))
                                # - {name: NCCL_SOCKET_IFNAME, value: eth0}
                              ports:
                                - {containerPort: 29500}
                              command:
                                - torchrun
                                - --nnodes=\(job.nodes)
                                - --nproc-per-node=\(job.perNode)
                                - --master-addr=\(name)-node-0-0.\(name)
                                - --master-port=29500
                                - --numa-binding=node # an option of PyTorch after 2.6: leave it out before
                                - --log-dir=\(PodText.shared)/logs/\(name)
                                - --tee=3
                                - pretrain_gpt.py
                              args:
            \(PodText.arguments(job, run, depth: 20, signal: true))
                              resources:
                                limits: {\(run.resource): \(job.perNode)}
                              volumeMounts:
            \(YAMLText.indented(PodText.mounts(plan: false, memory: true), 20))
                          volumes:
            \(YAMLText.indented(PodText.volumes(plan: nil, memory: true), 16))

            """
    }
}
