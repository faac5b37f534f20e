variable "environment" {
  description = "preprod or prod."
  type        = string
}

variable "account_id" {
  description = "The only account this may be applied to."
  type        = string
}

variable "region" {
  description = "Where everything is."
  type        = string
  default     = "us-east-1"
}

variable "model_version" {
  description = "The release: the commit whose packages run."
  type        = string
}

variable "function_role_arn" {
  description = "The role the functions run as; made once per account, outside of this code."
  type        = string
}
