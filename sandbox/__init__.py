"""The practice sandbox: a service on AWS, on this machine, with no account anywhere, and real ways to break it.

    world               starting, stopping, deploying, setting back: begin here
    faults              every way to break it (breaking, wires: how)
    reading             an independent look, to compare before and after
    sns                 signed notifications, delivered until they arrive
    releases            the service's repository and packages (history: its commits; service/: its source;
                        infrastructure/: its Terraform code, which would run on the real provider)
    deploying           Terraform, as the service's pipeline runs it
    test_kit/           a kit for integration tests and its qa environment (kit_runs, kit_faults, kit_reading)
    environment_files   how Backstop and AWS tools find it

Its processes, each started as `python -m`:

    aws                 moto, corrected (aws_answers, aws_queues and others), behind a front that breaks calls
                        (aws_server, aws_front, aws_wire) and keeps moments to go back to (moments); tells of alarms
                        that change their state (alarm_actions)
    function_host       runs the code that is live behind every function URL (live_code, runners, function_worker)
    alarms              sets alarm states by what the functions answer (service_checks, alarm_rules)
    certificate_host    serves the certificate that signs notifications (certificates)
    provider_host       forks the stand-in for hashicorp/aws (provider, provider_resources/, provider_launcher)
"""
