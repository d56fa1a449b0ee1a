internal import Plans

/// Writes an MPIJob of Kubeflow's MPI Operator.
enum MPIJobExport: ObjectLauncher {
    static let target = ExportTarget.mpijob
    static let file = "mpijob.yaml"

    static func name(of job: LaunchedJob) -> String {
        // `NAME-worker-N` and the pods `NAME-launcher-XXXXX` are DNS labels.
        let longest = max("-worker-\(job.nodes - 1)".count, "-launcher-abcde".count)
        return JobName.label(job.name, most: 63 - longest)
    }

    static func trainyard(_ job: LaunchedJob, _ run: TrainyardJob, _ name: String) -> String {
        """
        \(BatchText.comments(job.comments))#
        # MPIJob (kubeflow/mpi-operator, v2beta1): \(job.words("worker", "rank")), mpirun in a launcher pod.
        #   kubectl create configmap \(name)-plan --from-file=plan.yaml
        #   kubectl apply -f mpijob.yaml && kubectl logs -f job/\(name)-launcher
        # Yours: the image (trainyard-train, Open MPI and an SSH server on port 2222), the claim, which holds the text.
        \(PodText.limit(job))
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata:
          name: \(name)
        spec:
          slotsPerWorker: \(job.perNode)
          mpiImplementation: OpenMPI
          launcherCreationPolicy: WaitForWorkersReady # mpirun would fail on workers that are not up
          sshAuthMountPath: /home/mpiuser/.ssh
          runPolicy:
            cleanPodPolicy: Running
            backoffLimit: 3 # how often the launcher starts again
          mpiReplicaSpecs:
            Launcher:
              replicas: 1
              restartPolicy: Never # a failed launcher pod is kept, with its log, and a new one starts
              template:
                spec:
                  containers:
                    - name: launcher
                      image: trainyard-mpi:latest
                      securityContext: {runAsUser: 1000}
                      workingDir: \(PodText.shared)
                      env:
        \(PodText.environment(PodText.variables(job, run), depth: 16))
                        - name: JOB_UID # all starts of one launcher have it
                          valueFrom:
                            fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/controller-uid']"}
                      command: [/bin/bash, -c]
                      # The operator names hosts and slots in OMPI_MCA_orte_default_hostfile.
                      args:
                        - |
        \(YAMLText.indented(PodText.trainyard(job), 18))
                      resources:
                        limits: {cpu: 1, memory: 1Gi}
                      volumeMounts:
        \(mounts(plan: true, memory: false))
                  volumes:
        \(volumes(plan: name, memory: false))
            Worker:
              replicas: \(job.nodes)
              restartPolicy: OnFailure
              template:
                spec:
                  containers:
                    - name: worker
                      image: trainyard-mpi:latest
                      securityContext: {runAsUser: 1000}
                      workingDir: \(PodText.shared)
                      command: [/usr/sbin/sshd]
                      args: [-De, -f, /home/mpiuser/.sshd_config]
                      readinessProbe:
                        tcpSocket: {port: 2222}
                        initialDelaySeconds: 2
                      resources: # a core a rank; \(BatchText.memory(job.peakGiB)) a rank are predicted
                        limits: {cpu: \(job.perNode), memory: \(PodText.mebibytes(job))Mi}
                      volumeMounts:
        \(mounts(plan: true, memory: true))
                  volumes:
        \(volumes(plan: name, memory: true))

        """
    }

    static func megatron(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        let passed = run.environment.map { "-x \($0.name)=\($0.value)" }.joined(separator: " ")
        let start = #"""
            # Megatron-LM reads RANK, LOCAL_RANK and WORLD_SIZE; the first worker is the master.
            export MASTER_ADDR="$(head -n 1 /etc/mpi/hostfile | cut -d ' ' -f 1)" MASTER_PORT=29500
            exec mpirun --allow-run-as-root -n \#(job.ranks) --map-by ppr:\#(job.perNode):node --bind-to none \
                -x MASTER_ADDR -x MASTER_PORT \#(passed) \
                bash -c 'export RANK=$OMPI_COMM_WORLD_RANK LOCAL_RANK=$OMPI_COMM_WORLD_LOCAL_RANK
                    export WORLD_SIZE=$OMPI_COMM_WORLD_SIZE
                    exec python -u pretrain_gpt.py "$@"' pretrain_gpt "$@"
            """#
        return """
            \(BatchText.comments(job.comments))#
            # MPIJob (kubeflow/mpi-operator, v2beta1): \(job.words("worker", "GPU")); mpirun starts a process for each GPU.
            #   kubectl apply -f mpijob.yaml && kubectl logs -f job/\(name)-launcher
            # Yours: the image (Megatron-LM in /opt/megatron-lm, Open MPI and an SSH server), and the claim.
            \(PodText.limit(job))
            apiVersion: kubeflow.org/v2beta1
            kind: MPIJob
            metadata:
              name: \(name)
            spec:
              slotsPerWorker: \(job.perNode)
              mpiImplementation: OpenMPI
              launcherCreationPolicy: WaitForWorkersReady # mpirun would fail on workers that are not up
              sshAuthMountPath: /root/.ssh
              runPolicy:
                cleanPodPolicy: Running
                backoffLimit: \(job.limit.restarts) # how often the launcher starts again, from the newest checkpoint
              mpiReplicaSpecs:
                Launcher:
                  replicas: 1
                  restartPolicy: Never # a failed launcher pod is kept, with its log, and a new one starts
                  template:
                    spec:
                      containers:
                        - name: launcher
                          image: megatron-lm:latest
                          workingDir: /opt/megatron-lm
                          command: [/bin/bash, -c]
                          # The script's arguments follow it.
                          args:
                            - |
            \(YAMLText.indented(start, 18))
                            - mpirun
            \(PodText.arguments(job, run, depth: 16, signal: false))
                          resources:
                            limits: {cpu: 2, memory: 4Gi}
                          volumeMounts:
            \(mounts(plan: false, memory: false))
                      volumes:
            \(volumes(plan: nil, memory: false))
                Worker:
                  replicas: \(job.nodes)
                  restartPolicy: OnFailure
                  template:
                    spec:
                      containers:
                        - name: worker # \(job.device)
                          image: megatron-lm:latest
                          workingDir: /opt/megatron-lm
                          command: [/usr/sbin/sshd]
                          args: [-De]
                          readinessProbe:
                            tcpSocket: {port: 2222}
                            initialDelaySeconds: 2
                          resources:
                            limits: {\(run.resource): \(job.perNode)}
                          volumeMounts:
            \(mounts(plan: false, memory: true))
                      volumes:
            \(volumes(plan: nil, memory: true))

            """
    }

    private static func mounts(plan: Bool, memory: Bool) -> String {
        YAMLText.indented(PodText.mounts(plan: plan, memory: memory), 16)
    }

    private static func volumes(plan: String?, memory: Bool) -> String {
        YAMLText.indented(PodText.volumes(plan: plan, memory: memory), 12)
    }
}
