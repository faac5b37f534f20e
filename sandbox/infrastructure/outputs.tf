output "dashboard_function_url" {
  description = "Where the dashboard answers."
  value       = aws_lambda_function_url.dashboard.function_url
}

output "code_hashes" {
  description = "SHA-256 of the code of each function, as AWS has it."
  value       = { for name, function in aws_lambda_function.service : name => function.source_code_hash }
}
